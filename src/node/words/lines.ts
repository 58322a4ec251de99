import { EngineError } from '../../base/errors.js'
import { TALK_LINE_BYTES_MAX } from '../../base/word-limits.js'

const NEWLINE = 0x0a

/** Bytes as they come, cut into lines. Memory: one line at most. */
export class Lines {
  #parts: Buffer[] = []
  #bytes = 0

  /** @returns the lines that are whole now. @throws {EngineError} ENGINE_ERR_TALK_FAILED: one is too long. */
  push(chunk: Buffer): string[] {
    const lines: string[] = []
    let rest = chunk
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      this.#add(rest.subarray(0, at))
      lines.push(Buffer.concat(this.#parts).toString('utf8'))
      this.#parts = []
      this.#bytes = 0
      rest = rest.subarray(at + 1)
    }
    this.#add(rest)
    return lines
  }

  #add(part: Buffer): void {
    this.#bytes += part.length
    if (this.#bytes > TALK_LINE_BYTES_MAX) {
      throw new EngineError('ENGINE_ERR_TALK_FAILED', { peer: 'a peer', why: 'it says a line that is too long' })
    }
    if (part.length > 0) this.#parts.push(part)
  }
}
