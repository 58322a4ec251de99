/** The bytes that a name or path stands for: %XX is any byte. Pure. */
export function bytesOf(escaped: string): Uint8Array {
  const bytes: number[] = []
  const encoder = new TextEncoder()
  for (const [part] of escaped.matchAll(/%[0-9a-fA-F]{2}|[^%]+|%/g)) {
    if (/^%[0-9a-fA-F]{2}$/.test(part)) bytes.push(Number.parseInt(part.slice(1), 16))
    else bytes.push(...encoder.encode(part))
  }
  return Uint8Array.from(bytes)
}

const isPlain = (text: string): boolean => /^[\w.~/-]$/.test(text)

const hexOf = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** What a person wrote as a path: `%` and two hexadecimal digits are a byte, any other % is itself. Pure. */
export function escapedOf(text: string): string {
  const encoder = new TextEncoder()
  const bytes = (part: string): string => [...encoder.encode(part)].map(hexOf).join('')
  return [...text.matchAll(/%[0-9a-fA-F]{2}|./gsu)]
    .map(([part]) => (part.length === 3 && part.startsWith('%') ? part : isPlain(part) ? part : bytes(part)))
    .join('')
}

/** A name as a person reads it, and may give back to `escapedOf`: what no screen shows stays %XX. Pure. */
export function shownOf(escaped: string): string {
  const shown = escaped.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (run) => {
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(run))
      return Array.from(text, (each) => (/[\p{C}\p{Z}%]/u.test(each) && each !== ' ' ? escapedAll(each) : each)).join(
        '',
      )
    } catch {
      return run
    }
  })
  return shown.replaceAll(/%25(?![0-9a-fA-F]{2})/g, '%')
}

const escapedAll = (text: string): string => [...new TextEncoder().encode(text)].map(hexOf).join('')
