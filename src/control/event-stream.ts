import { createParser } from 'eventsource-parser'
import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { STREAM_SILENT_MS } from '../base/limits.js'
import { type BodyReader, piecesOfBody } from './body.js'

export interface ReadingOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** Called with each comment. */
  readonly onComment?: (comment: string) => void
}

/**
 * Reads the events of one HTTP answer as they come. Heartbeats keep it alive; a stream that is silent
 * for STREAM_SILENT_MS counts as broken.
 * @throws {EngineError} ENGINE_ERR_TIMEOUT when it fell silent; ENGINE_ERR_CANCELLED when `signal` fires; what the
 * runtime's reader throws when it broke.
 */
export async function* readEvents<T>(body: ReadableStream<Uint8Array>, options: ReadingOptions): AsyncGenerator<T> {
  const { clock, signal, onComment = () => {} } = options
  const parsed: T[] = []
  const parser = createParser({ onEvent: ({ data }) => parsed.push(JSON.parse(data) as T), onComment })
  const decoder = new TextDecoder()
  for await (const piece of piecesOfBody(body, signal, (reader) => readInTime(reader, clock))) {
    parser.feed(decoder.decode(piece, { stream: true }))
    yield* parsed.splice(0)
  }
}

function readInTime(reader: BodyReader, clock: Clock): ReturnType<BodyReader['read']> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(STREAM_SILENT_MS, () => {
      reject(
        new EngineError('ENGINE_ERR_TIMEOUT', { what: 'a sign of life on the event stream', ms: STREAM_SILENT_MS }),
      )
    })
    reader.read().then(resolve, reject).finally(cancel)
  })
}
