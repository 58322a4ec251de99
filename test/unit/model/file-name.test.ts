// Names are bytes: whatever they are, a person can read them, write them back and means the same bytes.
import fc from 'fast-check'
import t from 'tap'
import { bytesOf, escapedOf, shownOf } from '../../../src/model/file-name.js'

/** As the native side escapes. */
const escapedBytes = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) => {
      const text = String.fromCharCode(byte)
      return /^[\w.~/-]$/.test(text) ? text : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')

t.test('what is shown means the same bytes when it is written back', async () => {
  const odd = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(odd, (bytes) => {
      const escaped = escapedBytes(bytes)
      const back = bytesOf(escapedOf(shownOf(escaped)))
      return Buffer.from(bytesOf(escaped)).equals(bytes) && Buffer.from(back).equals(bytes)
    }),
    { numRuns: 5000 },
  )
})

t.test('what is shown moves no terminal, and text stays text', async (t) => {
  t.equal(shownOf('a%20b%C3%A9'), 'a bé')
  t.equal(shownOf('%1B%5B2J%0A'), '%1B[2J%0A')
  t.equal(shownOf('%E2%80%AE'), '%E2%80%AE')
  t.equal(shownOf('100%25'), '100%')
  t.equal(shownOf('%2541'), '%2541')
  t.equal(escapedOf('100% a%41'), '100%25%20a%41')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => !/\p{Cc}/u.test(shownOf(escapedBytes(bytes)))))
})
