/** Text as every encoding gives it back: half a character, which UTF-8 cannot hold, becomes U+FFFD. */
export const wellFormed = (text: string): string =>
  mayBeHalf.test(text) ? Buffer.from(text, 'utf8').toString('utf8') : text

/** Most texts hold no half of a character, whole or not: they need not be written and read. */
const mayBeHalf = /[\ud800-\udfff]/
