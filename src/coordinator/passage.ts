import { Transform, type TransformCallback } from 'node:stream'
import { EngineError } from '../base/errors.js'

/**
 * What bytes of a file pass through on their way from a node to a reader. The last piece is held back until the node
 * has said that it was the last and all is well: until then the reader knows that something is missing.
 */
export class Passage extends Transform {
  readonly #lengthBytes: number
  readonly #path: string
  #held: Buffer | null = null
  /** Bytes that came; it stands still when the node is stuck, and when the reader is. */
  bytes = 0
  /** The node has begun to bring it. */
  begun = false

  constructor(path: string, lengthBytes: number) {
    super()
    this.#path = path
    this.#lengthBytes = lengthBytes
    // Whoever reads hears of it; when nobody reads yet it is no process's end.
    this.on('error', () => {})
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const before = this.#held
    this.#held = piece
    this.bytes += piece.length
    if (this.bytes > this.#lengthBytes) done(this.#changed())
    else done(null, before)
  }

  override _flush(done: TransformCallback): void {
    if (this.bytes === this.#lengthBytes) done(null, this.#held)
    else done(this.#changed())
  }

  #changed(): EngineError {
    return new EngineError('ENGINE_ERR_FILE_CHANGED', { path: this.#path })
  }
}
