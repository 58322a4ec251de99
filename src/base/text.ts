/** Text as every encoding gives it back: half a character, which UTF-8 cannot hold, becomes U+FFFD. */
export const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8')
