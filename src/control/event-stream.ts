import { createParser } from 'eventsource-parser'
import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { STREAM_SILENT_MS } from '../base/limits.js'

/**
 * Reads the events of one HTTP answer as they come. Heartbeats keep it alive; a stream that is silent
 * for STREAM_SILENT_MS counts as broken.
 * @throws {EngineError} ENGINE_ERR_TIMEOUT when it fell silent; what the runtime's reader throws when it broke.
 * @param onComment  called with each comment.
 */
export async function* readEvents<T>(
  body: ReadableStream<Uint8Array>,
  clock: Clock,
  onComment: (comment: string) => void = () => {},
): AsyncGenerator<T> {
  const parsed: T[] = []
  const parser = createParser({ onEvent: ({ data }) => parsed.push(JSON.parse(data) as T), onComment })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, clock)
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      yield* parsed.splice(0)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

function readInTime(reader: Reader, clock: Clock): ReturnType<Reader['read']> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(STREAM_SILENT_MS, () => {
      reject(
        new EngineError('ENGINE_ERR_TIMEOUT', { what: 'a sign of life on the event stream', ms: STREAM_SILENT_MS }),
      )
    })
    reader.read().then(resolve, reject).finally(cancel)
  })
}
