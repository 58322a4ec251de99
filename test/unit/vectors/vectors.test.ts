// Goal: the data plane's formats are what docs/protocol.md says, for two languages. Method: an independent decoder reads
// every golden vector of a header, section, trailer, stream, vouch and message, and finds the fields that Rust found.
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  decodeHeader,
  decodeMessageHeader,
  decodeRanges,
  decodeSection,
  decodeStream,
  decodeTrailer,
  decodeVouch,
} from './decoder.js'

const folder = new URL('../../vectors/', import.meta.url)
/** The public key of the vectors' signer, whose seed is 32 bytes of 7. */
const PUBLIC_KEY = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c'
const HEADER_BYTES = 16
const refusal = { name: 'DecodeError' }

interface Vector {
  readonly name: string
  readonly format: string
  readonly bytes: Buffer
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

function readVector(name: string): Vector {
  const read = (ending: string): string => readFileSync(new URL(`${name}.${ending}`, folder), 'utf8')
  const bytes = Buffer.from(read('hex').replaceAll(/\s/g, ''), 'hex')
  return { name, bytes, ...JSON.parse(read('json')) }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** What the vector's JSON says, without the digests that Node.js cannot make. */
function told(value: unknown): Record<string, unknown> {
  const { assignment: _, ...rest } = isRecord(value) ? value : {}
  return rest
}

/** The ranges that a message's JSON tells, if it has some. */
function rangesTold(message: unknown): unknown {
  const parts = Object.values(isRecord(message) ? message : {}).filter(isRecord)
  return parts.map((part) => part['ranges'] ?? part['have']).find(Array.isArray)
}

/** Reads a message's header and, where there are some, its ranges. */
function decodeMessage(bytes: Buffer) {
  const header = decodeMessageHeader(bytes)
  const payload = bytes.subarray(HEADER_BYTES)
  const ATTACH = 2
  const rangesAt = header.type === ATTACH ? 16 : 0
  const hasRanges = [ATTACH, 7, 8].includes(header.type)
  return { header, payload, ranges: hasRanges ? decodeRanges(payload.subarray(rangesAt)) : undefined }
}

const checks: Readonly<Record<string, (t: Test, vector: Vector) => void>> = {
  header: (t, { bytes, fields }) => t.strictSame(decodeHeader(bytes), told(fields)),
  section: (t, { bytes, fields }) => t.strictSame(decodeSection(bytes), fields),
  trailer: (t, { bytes, fields }) => t.strictSame(decodeTrailer(bytes), fields),
  vouch: (t, { bytes, fields }) => t.strictSame(decodeVouch(bytes, PUBLIC_KEY), fields),
  stream: (t, { bytes, fields }) => {
    const { header, sections, trailer } = decodeStream(bytes)
    t.strictSame(header, told(fields?.['header']))
    t.strictSame(sections, fields?.['sections'])
    t.strictSame(trailer, fields?.['trailer'])
    t.equal(trailer['streamBytes'], String(bytes.length))
    const chunkCount = Math.ceil(bytes.length / Number(header['chunkBytes']))
    t.match(fields?.['chunkDigests'], { length: chunkCount })
  },
  message: (t, { bytes, fields }) => {
    const { header, payload, ranges } = decodeMessage(bytes)
    const { message, ...stated } = fields ?? {}
    t.strictSame(header, stated)
    t.strictSame(ranges, rangesTold(message))
    const isChunk = isRecord(message) && 'chunk' in message
    t.equal(payload.length, isChunk ? 0 : header.length)
  },
}

/** What only Rust refuses: it needs BLAKE3. */
const refusedByDigest = new Set(['bad-trailer-digest'])

const vectors = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => readVector(file.slice(0, -'.json'.length)))
const read = vectors.filter(({ format }) => format in checks)

t.test('every good vector has the fields that Rust found', (t) => {
  const good = read.filter(({ fields }) => fields !== undefined)
  t.ok(good.length >= 20, 'vectors are there')
  for (const vector of good) t.test(vector.name, async (t) => checks[vector.format]?.(t, vector))
  t.end()
})

t.test('every bad vector is refused here too', (t) => {
  const bad = read.filter(({ name, fields }) => fields === undefined && !refusedByDigest.has(name))
  t.ok(bad.length >= 18, 'vectors are there')
  for (const { name, format, bytes } of bad) {
    const decode = { header: decodeHeader, section: decodeSection, message: decodeMessage }[format]
    t.throws(() => (decode ? decode(bytes) : decodeVouch(bytes, PUBLIC_KEY)), refusal, name)
  }
  t.end()
})

t.test('a beginning of a vouch is never taken for the whole', (t) => {
  const { bytes } = readVector('vouch-end')
  for (let end = 0; end < bytes.length; end += 1) {
    t.throws(() => decodeVouch(bytes.subarray(0, end), PUBLIC_KEY), refusal, `cut at ${end}`)
  }
  t.end()
})
