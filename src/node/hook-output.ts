import { HOOK_LAST_WORDS_CHARS_MAX, HOOK_OUTPUT_BYTES_MAX } from '../base/limits.js'

const HALF_BYTES = HOOK_OUTPUT_BYTES_MAX / 2
/** Room within the limit for the line that says how much was left out. */
const NOTE_BYTES = 64
const REPLACEMENT = '\ufffd'

/**
 * What a hook writes, both streams as they come: the beginning and the end of it are kept, in memory that does not
 * grow with what is written.
 */
export class HookOutput {
  readonly #head: Buffer[] = []
  #headBytes = 0
  #tail: Buffer[] = []
  #tailBytes = 0
  #totalBytes = 0

  add(chunk: Buffer): void {
    this.#totalBytes += chunk.length
    const first = chunk.subarray(0, HALF_BYTES - this.#headBytes)
    if (first.length > 0) {
      // Copied: a view of a few bytes would keep the whole chunk.
      this.#head.push(Buffer.from(first))
      this.#headBytes += first.length
    }
    const rest = chunk.subarray(first.length)
    if (rest.length === 0) return
    this.#tail.push(Buffer.from(rest.subarray(-HALF_BYTES)))
    this.#tailBytes += Math.min(rest.length, HALF_BYTES)
    if (this.#tailBytes > 4 * HALF_BYTES) this.#trim()
  }

  /** Text of HOOK_OUTPUT_BYTES_MAX at most, in UTF-8: what is none, and control characters, are replaced. */
  get text(): string {
    this.#trim()
    const head = Buffer.concat(this.#head)
    const tail = Buffer.concat(this.#tail)
    const leftOutBytes = this.#totalBytes - head.length - tail.length
    if (leftOutBytes > 0) return joined(head, tail)
    const whole = Buffer.concat([head, tail])
    return Buffer.byteLength(cleaned(whole)) <= HOOK_OUTPUT_BYTES_MAX ? cleaned(whole) : joined(head, tail)
  }

  #trim(): void {
    const tail = Buffer.concat(this.#tail).subarray(-HALF_BYTES)
    this.#tail = [Buffer.from(tail)]
    this.#tailBytes = tail.length
  }
}

/** Texts of several hooks as one, within the limit of one. */
export function joinOutputs(texts: readonly string[]): string {
  const output = new HookOutput()
  for (const text of texts.filter((one) => one !== ''))
    output.add(Buffer.from(text.endsWith('\n') ? text : `${text}\n`))
  return output.text
}

function joined(head: Buffer, tail: Buffer): string {
  const room = HALF_BYTES - NOTE_BYTES / 2
  return `${firstOf(cleaned(head), room)}\n… some of the output was left out …\n${lastOf(cleaned(tail), room)}`
}

/** Control characters but line breaks and tabs are replaced: they are for terminals, and this is kept and shown. */
function cleaned(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/(?![\n\t])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, REPLACEMENT)
}

/** A character that is cut at an end is left out. */
function firstOf(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return text
  let end = bytesMax
  while (end > 0 && isContinuation(bytes[end])) end -= 1
  return bytes.subarray(0, end).toString('utf8')
}

function lastOf(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return text
  let start = bytes.length - bytesMax
  while (start < bytes.length && isContinuation(bytes[start])) start += 1
  return bytes.subarray(start).toString('utf8')
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** The end of an output in one line, for the text of an error; empty when nothing was written. Pure. */
export function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  const kept = lines
    .filter((line) => line !== '')
    .slice(-3)
    .join(' / ')
  return kept.length > HOOK_LAST_WORDS_CHARS_MAX ? `…${kept.slice(1 - HOOK_LAST_WORDS_CHARS_MAX)}` : kept
}
