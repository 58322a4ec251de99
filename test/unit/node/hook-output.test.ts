// Goal: what a hook writes is kept within its limit as clean text, whatever bytes it was and however it came.
// Method: properties over any chunks, and the hard cases by hand.
import { ok, strictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { HOOK_LAST_WORDS_CHARS_MAX, HOOK_OUTPUT_BYTES_MAX } from '../../../src/base/limits.js'
import { HookOutput, joinOutputs, lastWords } from '../../../src/node/hook-output.js'

const textOf = (...chunks: readonly Uint8Array[]): string => {
  const output = new HookOutput()
  for (const chunk of chunks) output.add(Buffer.from(chunk))
  return output.text
}

t.test('any bytes in any chunks give text within the limit, without control characters', async () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 9000 })).map(([bytes, times]) => {
      return Buffer.concat(Array.from({ length: Math.ceil(times / bytes.length) }, () => Buffer.from(bytes)))
    }),
  )
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
      const text = textOf(...chunks)
      ok(Buffer.byteLength(text) <= HOOK_OUTPUT_BYTES_MAX)
      ok(!/(?![\n\t])\p{Cc}/u.test(text))
      ok(!/\p{Cs}/u.test(text))
    }),
    { numRuns: 200 },
  )
})

t.test('short text comes back as it was, however it was cut', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.nat(800), (given, at) => {
      const text = given.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '.')
      const bytes = Buffer.from(text)
      strictEqual(textOf(bytes.subarray(0, at), bytes.subarray(at)), text)
    }),
  )
})

t.test('binary output is replaced, not passed on to terminals', async (t) => {
  t.equal(textOf(Buffer.from([0xff, 0x41, 0x00, 0x1b, 0x5b, 0x32, 0x4a])), '\ufffdA\ufffd\ufffd[2J')
  t.equal(textOf(Buffer.from('one\r\ntwo\rthree\u202e\n')), 'one\ntwo\nthree\ufffd\n')
  const binary = textOf(Buffer.alloc(HOOK_OUTPUT_BYTES_MAX, 0xff))
  t.ok(Buffer.byteLength(binary) <= HOOK_OUTPUT_BYTES_MAX, 'though each byte became three')
})

t.test('of long output the beginning and the end are kept, and said to be', async (t) => {
  const text = textOf(Buffer.from('begin\n'), Buffer.alloc(1_000_000, 'x'), Buffer.from('\nend'))
  t.match(text, /^begin\nx+\n… some of the output was left out …\nx+\nend$/)
})

t.test('last words are the last lines in one, and short', async (t) => {
  t.equal(lastWords('a\n\n b \nc\nd\n'), 'b / c / d')
  t.equal(lastWords(' \n'), '')
  t.equal(lastWords('x'.repeat(5000)).length, HOOK_LAST_WORDS_CHARS_MAX)
})

t.test('outputs of several hooks are one, within the limit of one', async (t) => {
  t.equal(joinOutputs(['a', '', 'b\n']), 'a\nb\n')
  t.ok(Buffer.byteLength(joinOutputs(['a'.repeat(20_000), 'b'.repeat(20_000)])) <= HOOK_OUTPUT_BYTES_MAX)
})
