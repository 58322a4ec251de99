// Talks that this node begins: a connection to a peer's relay, one request, its answers.
// In: a peer, a request. Out: what it answers, checked. Never: a second connection for one talk, a talk without an end.
import { connect, type Socket } from 'node:net'
import type { Clock } from '../../base/clock.js'
import { EngineError, toEngineError } from '../../base/errors.js'
import { TALK_ANSWER_BYTES_MAX, TALK_ANSWERS_MAX, TALK_LINE_BYTES_MAX, TALK_MS } from '../../base/word-limits.js'
import { type TalkAnswer, type TalkRequest, talkAnswer } from '../../control/schema/word.js'
import type { WordServer } from '../../model/word.js'
import { readGreeting, talkOpening } from '../../native/talking.js'
import { Lines } from './lines.js'

/** Asks a peer one thing. @throws {EngineError} ENGINE_ERR_TALK_FAILED, by rejection. */
export type Call = (peer: WordServer, request: TalkRequest) => Promise<readonly TalkAnswer[]>

const failed = (peer: WordServer, why: string): EngineError =>
  new EngineError('ENGINE_ERR_TALK_FAILED', { peer: peer.name, why })

/** What a peer says, message by message: first its greeting, then lines. */
class Hearing {
  readonly #peer: WordServer
  readonly #lines = new Lines()
  readonly answers: TalkAnswer[] = []
  #front: Buffer | null = Buffer.alloc(0)
  /** Beside what the words are: their lines, the greeting and the end. */
  #leftBytes = TALK_ANSWER_BYTES_MAX + TALK_LINE_BYTES_MAX

  constructor(peer: WordServer) {
    this.#peer = peer
  }

  /** @returns whether the last answer was said. @throws {EngineError} what is wrong with it. */
  push(chunk: Buffer): boolean {
    this.#leftBytes -= chunk.length
    if (this.#leftBytes < 0) throw failed(this.#peer, 'it answers more than anybody asks for')
    const rest = this.#front === null ? chunk : this.#greeted(Buffer.concat([this.#front, chunk]))
    for (const line of rest === null ? [] : this.#lines.push(rest)) {
      const read = talkAnswer.safeParse(parsed(line))
      if (!read.success || this.answers.length > TALK_ANSWERS_MAX)
        throw failed(this.#peer, 'it answers what is no answer')
      this.answers.push(read.data)
      if (read.data.say !== 'word') return true
    }
    return false
  }

  /** What follows the greeting; null while that is not whole. */
  #greeted(bytes: Buffer): Buffer | null {
    this.#front = bytes
    const greeting = readGreeting(bytes)
    if (greeting === null) return null
    if (greeting.nodeId !== this.#peer.nodeId) throw failed(this.#peer, 'another node has its address')
    this.#front = null
    return bytes.subarray(greeting.bytes)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Calls over the network. @param signal cuts every talk off. */
export function caller(
  own: { readonly nodeId: string; readonly name: string },
  clock: Clock,
  signal: AbortSignal,
): Call {
  const opening = talkOpening(own.nodeId, own.name)
  return (peer, request) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(failed(peer, 'this node closes'))
        return
      }
      const socket: Socket = connect(peer.port, peer.host)
      const hearing = new Hearing(peer)
      const end = (error: EngineError | null): void => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        socket.destroy()
        if (error === null) resolve(hearing.answers)
        else reject(error)
      }
      const onAbort = (): void => end(failed(peer, 'this node closes'))
      const cancel = clock.setTimer(TALK_MS, () => end(failed(peer, `it has not answered for ${TALK_MS} ms`)))
      signal.addEventListener('abort', onAbort, { once: true })
      socket.on('error', (error) => end(failed(peer, error.message)))
      socket.on('close', () => end(failed(peer, 'it closed the connection')))
      socket.on('data', (chunk: Buffer) => {
        try {
          if (hearing.push(chunk)) end(null)
        } catch (error) {
          end(toEngineError(error))
        }
      })
      socket.write(opening)
      socket.write(`${JSON.stringify(request)}\n`)
    })
}
