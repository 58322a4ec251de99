import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { UPLOAD_WINDOW_BYTES_MIN, UPLOAD_WINDOW_MS } from '../base/upload-limits.js'

export interface Reception {
  /** File that is written; made when it is not there, cut at `offset`. */
  readonly path: string
  readonly offset: number
  /** The file may not become longer. */
  readonly limitBytes: number
  readonly body: Readable
  readonly clock: Clock
  /** Stops reading; what was received stays. */
  readonly signal: AbortSignal
  /** Hears how long the file is after each piece; what it throws ends the reception. */
  readonly onLength?: (lengthBytes: number) => Promise<void> | void
  /** Hears how many bytes were written, as they come. */
  readonly received?: (bytes: number) => void
}

/** Fires when less than UPLOAD_WINDOW_BYTES_MIN came within UPLOAD_WINDOW_MS. */
class Pace {
  readonly tooSlow = new AbortController()
  readonly #cancel: () => void
  #bytes = 0

  constructor(clock: Clock) {
    this.#cancel = clock.setInterval(UPLOAD_WINDOW_MS, () => {
      if (this.#bytes < UPLOAD_WINDOW_BYTES_MIN) {
        const facts = { bytes: this.#bytes, ms: UPLOAD_WINDOW_MS }
        this.tooSlow.abort(new EngineError('ENGINE_ERR_UPLOAD_SLOW', facts))
      }
      this.#bytes = 0
    })
  }

  count(bytes: number): void {
    this.#bytes += bytes
  }

  end(): void {
    this.#cancel()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  try {
    while (done < bytes.length) {
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
    }
  } catch (error) {
    throw toEngineError(error, { what: 'writing an upload', path: 'the upload' })
  }
}

/**
 * Writes a body to a file as it comes: nothing is read while the disk is busy, so a socket holds back its sender.
 * What arrived stays in the file, however this ends.
 * @returns the file's length.
 * @throws {EngineError} ENGINE_ERR_BODY_TOO_LARGE beyond `limitBytes`; ENGINE_ERR_UPLOAD_SLOW; ENGINE_ERR_NO_SPACE;
 * ENGINE_ERR_CANCELLED when the sender hangs up; the reason of `signal`.
 */
export async function receive(reception: Reception): Promise<number> {
  const { path, offset, limitBytes, body, clock, signal, onLength, received } = reception
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  const pace = new Pace(clock)
  const either = AbortSignal.any([signal, pace.tooSlow.signal])
  let length = offset
  try {
    await file.truncate(offset)
    for (;;) {
      const next = await nextPiece(body, either)
      if (next === null) return length
      if (length + next.length > limitBytes) throw tooLarge(limitBytes)
      await writeAll(file, next, length)
      length += next.length
      pace.count(next.length)
      received?.(next.length)
      await onLength?.(length)
    }
  } finally {
    pace.end()
    await file.close()
  }
}

/**
 * What is next of a body: null at its end. It is read by hand, so that a wait can end without an end of the body:
 * whoever refuses it still has to answer on its connection.
 */
function nextPiece(body: Readable, signal: AbortSignal): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      body.off('readable', look).off('end', onEnd).off('error', onCut).off('close', onCut)
      signal.removeEventListener('abort', onAbort)
      then()
    }
    const look = (): void => {
      const piece = body.read() as Uint8Array | null
      if (piece !== null) settle(() => resolve(piece))
    }
    const onEnd = (): void => settle(() => resolve(null))
    const onCut = (cause?: unknown): void =>
      settle(() => reject(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the upload' }, { cause })))
    const onAbort = (): void => settle(() => reject(toEngineError(signal.reason)))
    if (signal.aborted) onAbort()
    else if (body.readableEnded) onEnd()
    else if (body.destroyed) onCut()
    else {
      signal.addEventListener('abort', onAbort, { once: true })
      body.on('readable', look).on('end', onEnd).on('error', onCut).on('close', onCut)
      look()
    }
  })
}

function tooLarge(limit: number): EngineError {
  const hint = 'send no more than was announced, or raise coordinator.uploads.maxBytes'
  return new EngineError('ENGINE_ERR_BODY_TOO_LARGE', { limit }, { hint })
}
