// In: bytes of the data plane. Out: their fields, or a DecodeError that says what is wrong.
// Never: anything from src or native. A second reading of docs/protocol.md, so that the golden vectors hold two languages;
// for tests alone, since no payload byte passes through JavaScript at work.
import { createPublicKey, verify } from 'node:crypto'

/** Bytes that are not what they claim to be. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const refuse = (why: string): never => {
  throw new DecodeError(why)
}

/** Reads little-endian fields one after the other. */
class Fields {
  #at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get used(): number {
    return this.#at
  }

  take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) refuse('ends too early')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  u8 = (): number => this.take(1).readUInt8()
  u16 = (): number => this.take(2).readUInt16LE()
  u32 = (): number => this.take(4).readUInt32LE()
  u64 = (): string => this.take(8).readBigUInt64LE().toString()
  hex = (count: number): string => this.take(count).toString('hex')

  magic(magic: string): void {
    if (this.take(magic.length).toString('latin1') !== magic) refuse('magic')
  }

  reserved(count: number): void {
    if (this.take(count).some((byte) => byte !== 0)) refuse('reserved')
  }
}

const sitePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const commands = ['', 'publish', 'replicate']

/** The header of an assignment, from the front of `bytes`; `assignment` (its digest) is left out. */
export function decodeHeader(bytes: Buffer): Record<string, string | number> {
  const fields = new Fields(bytes)
  fields.magic('DSTASN01')
  const headerBytes = fields.u32()
  const command = commands[fields.u8()] || refuse('command')
  const siteBytes = fields.u8()
  fields.reserved(2)
  if (headerBytes !== 184 + siteBytes) refuse('header length')
  const [serial, release, baseRelease] = [fields.u64(), fields.u64(), fields.u64()]
  const [baseHash, resultHash, stepsDigest] = [fields.hex(32), fields.hex(32), fields.hex(32)]
  const [stepsPackedBytes, stepsRawBytes, stepCount, entryCount] = [
    fields.u32(),
    fields.u32(),
    fields.u32(),
    fields.u32(),
  ]
  const [contentBytes, diskBytes, createdNs] = [fields.u64(), fields.u64(), fields.u64()]
  const chunkBytes = fields.u32()
  fields.reserved(4)
  const site = fields.take(siteBytes).toString('utf8')
  if (serial === '0' || release === '0' || release === baseRelease) refuse('numbers')
  if ((baseRelease === '0') !== /^0+$/.test(baseHash)) refuse('base')
  if (chunkBytes < 4096 || chunkBytes > 1 << 20 || chunkBytes % 4096 !== 0) refuse('chunk size')
  if (!sitePattern.test(site)) refuse('site')
  return {
    ...{ headerBytes, command, serial, release, baseRelease, baseHash, resultHash, stepsDigest },
    ...{ stepsPackedBytes, stepsRawBytes, stepCount, entryCount, contentBytes, diskBytes, createdNs, chunkBytes, site },
  }
}

const sectionKinds = ['', 'plain', 'zstd', 'delta', 'whole']

/** A section header: 32 bytes. */
export function decodeSection(bytes: Buffer): Record<string, string | number> & { readonly packedBytes: number } {
  const fields = new Fields(bytes)
  const kind = sectionKinds[fields.u8()] || refuse('kind')
  fields.reserved(3)
  const [firstStep, rawBytes, packedBytes] = [fields.u32(), fields.u32(), fields.u32()]
  const [baseOffset, baseBytes] = [fields.u64(), fields.u32()]
  fields.reserved(4)
  if ((kind === 'delta') !== baseBytes > 0 && kind !== 'whole') refuse('base window')
  return { kind, firstStep, rawBytes, packedBytes, baseOffset, baseBytes }
}

/** The trailer: 120 bytes. Its own digest is left to Rust, for Node.js knows no BLAKE3. */
export function decodeTrailer(bytes: Buffer): Record<string, string | number> {
  const fields = new Fields(bytes)
  fields.magic('DSTEND01')
  const sectionCount = fields.u32()
  fields.reserved(4)
  const [dataDigest, stepsDigest, streamBytes] = [fields.hex(32), fields.hex(32), fields.u64()]
  fields.take(32)
  if (fields.used !== bytes.length) refuse('trailing bytes')
  return { sectionCount, dataDigest, stepsDigest, streamBytes }
}

/** A whole stream, as far as it is not compressed. */
export function decodeStream(bytes: Buffer) {
  const header = decodeHeader(bytes)
  let at = Number(header['headerBytes']) + Number(header['stepsPackedBytes'])
  const sections = []
  while (bytes[at] !== 'D'.charCodeAt(0)) {
    const section = decodeSection(bytes.subarray(at))
    sections.push(section)
    const { kind, packedBytes, baseOffset, baseBytes } = section
    at += 32 + (kind === 'whole' ? Number(baseOffset) + Number(baseBytes) : packedBytes)
  }
  return { header, sections, trailer: decodeTrailer(bytes.subarray(at)) }
}

/** ASN.1 that precedes the 32 bytes of an ed25519 key (RFC 8410). */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex')

/** One vouch, signed by the key whose 32 public bytes are given in hexadecimal. */
export function decodeVouch(bytes: Buffer, publicKey: string) {
  const fields = new Fields(bytes)
  fields.magic('DSTVCH01')
  const assignment = fields.hex(16)
  const [first, count, flags] = [fields.u32(), fields.u16(), fields.u8()]
  fields.reserved(1)
  const chunkCount = fields.u32()
  fields.reserved(4)
  const streamBytes = fields.u64()
  if (count < 1 || count > 1024) refuse('count')
  if (flags > 1) refuse('reserved')
  if (flags === 0 && (chunkCount !== 0 || streamBytes !== '0')) refuse('end')
  if (flags === 1 && chunkCount !== first + count) refuse('end')
  const digests = Array.from({ length: count }, () => fields.hex(32))
  const signed = bytes.subarray(0, fields.used)
  const signature = fields.take(64)
  if (fields.used !== bytes.length) refuse('trailing bytes')
  const spki = Buffer.concat([ed25519Prefix, Buffer.from(publicKey, 'hex')])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  if (!verify(null, signed, key, signature)) refuse('signature')
  const end = flags === 1 ? { chunkCount, streamBytes } : null
  return { publicKey, assignment, first, digests, end, signature: signature.toString('hex') }
}

const CHUNK_COUNT_MAX = 1 << 24
const PROBE_BYTES_MAX = 1 << 26
const isStrand = (strand: number): boolean => strand < 16 || strand === 255
const areZero = (a: number, b: number): boolean => a === 0 && b === 0

/** By message type, from 1: the most bytes of its payload, and whether it may have these arguments. */
const messageTypes: readonly (readonly [number, (a: number, b: number) => boolean])[] = [
  [24 + 255 + 2048, areZero], // HELLO
  [16 + 8 * 8192, (a, b) => isStrand(a) && b <= CHUNK_COUNT_MAX], // ATTACH
  [0, (a, b) => isStrand(a) && b === 0], // DETACH
  [512, (a, b) => a >= 1 && a <= 7 && isStrand(b)], // REFUSE
  [48 + 32 * 1024 + 64, areZero], // VOUCH
  [1 << 20, (a, b) => a < CHUNK_COUNT_MAX && isStrand(b)], // CHUNK
  [8 * 64, areZero], // PULL
  [8 * 8192, areZero], // HAVE
  [8 + 4 * 16, (a, b) => a <= CHUNK_COUNT_MAX && b <= 3], // STATUS
  [0, areZero], // TALK
  [0, (a, b) => a >= 1 && a <= PROBE_BYTES_MAX && b === 0], // PROBE
  [16 * 256, areZero], // PROBED
]

/** The 16 bytes that precede each peer message's payload. */
export function decodeMessageHeader(bytes: Buffer): Record<'type' | 'length' | 'a' | 'b', number> {
  const fields = new Fields(bytes)
  fields.magic('DS')
  if (fields.u8() !== 1) refuse('version')
  const type = fields.u8()
  const [lengthMax, argumentsAllowed] = messageTypes[type - 1] ?? refuse('type')
  const [length, a, b] = [fields.u32(), fields.u32(), fields.u32()]
  if (length > lengthMax) refuse('payload size')
  if (!argumentsAllowed(a, b)) refuse('arguments')
  return { type, length, a, b }
}

/** Half-open ranges that fill `payload`, ascending and apart. */
export function decodeRanges(payload: Buffer): readonly (readonly [number, number])[] {
  const fields = new Fields(payload)
  const ranges: [number, number][] = []
  while (fields.used < payload.length) {
    const [start, end] = [fields.u32(), fields.u32()]
    if (start >= end || end > CHUNK_COUNT_MAX || start < (ranges.at(-1)?.[1] ?? 0)) refuse('range')
    ranges.push([start, end])
  }
  return ranges
}
