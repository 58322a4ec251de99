// In: the body of an answer, and what ends it early. Out: its pieces. Never: an import of Node's own modules.
import { EngineError } from '../base/errors.js'

export type BodyReader = ReadableStreamDefaultReader<Uint8Array>

/**
 * The pieces of a body as they come.
 * A signal that `fetch` was given is not enough to cut its body off: the runtime refers to it weakly, and once it has
 * been collected a firing signal reaches nobody. So it is listened to here as well.
 * @param read  takes the next piece.
 * @throws {EngineError} ENGINE_ERR_CANCELLED when `signal` fires; what the runtime's reader throws when it breaks off.
 */
export async function* piecesOfBody(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  read: (reader: BodyReader) => ReturnType<BodyReader['read']> = (reader) => reader.read(),
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const cut = (): void => void reader.cancel().catch(() => {})
  if (signal?.aborted) cut()
  else signal?.addEventListener('abort', cut)
  try {
    for (;;) {
      const { done, value } = await read(reader)
      if (signal?.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the answer' })
      if (done) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', cut)
    await reader.cancel().catch(() => {})
  }
}
