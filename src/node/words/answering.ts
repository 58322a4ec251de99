// Talks that others begin: sockets that the relay took in, one request each, its answers, and the end.
// In: sockets. Out: requests, checked. Never: more than a line in memory, a talk without an end.
import { Socket } from 'node:net'
import type { Clock } from '../../base/clock.js'
import { EngineError, toEngineError } from '../../base/errors.js'
import { MESSAGE_CHARS_MAX } from '../../base/limits.js'
import type { Logger } from '../../base/log.js'
import { TALK_ANSWER_BYTES_MAX, TALK_ANSWERS_MAX, TALK_MS } from '../../base/word-limits.js'
import { type TalkAnswer, type TalkRequest, talkRequest } from '../../control/schema/word.js'
import type { SignedWord } from '../../model/word.js'
import type { Relay } from '../../native/relay.js'
import { Lines } from './lines.js'

export type TalkSource = Pick<Relay, 'openTalks' | 'takeTalk' | 'endTalk'>

export interface AnsweringOptions {
  readonly relay: TalkSource
  readonly clock: Clock
  readonly log: Logger
  /**
   * What is answered, the last line included. What it throws is told as a refusal.
   * @param from the caller's id and name, as it says.
   */
  readonly answer: (request: TalkRequest, from: Caller) => Promise<readonly TalkAnswer[]>
}

export interface Caller {
  readonly nodeId: string
  readonly name: string
}

/** Reads one request. @throws {EngineError} ENGINE_ERR_TALK_FAILED. */
export function readRequest(text: string): TalkRequest {
  const read = talkRequest.safeParse(parsed(text))
  if (read.success) return read.data
  const [issue] = read.error.issues
  const why = `it says what is no request: ${issue?.path.join('.') || 'line'}: ${issue?.message ?? 'not valid'}`
  throw new EngineError('ENGINE_ERR_TALK_FAILED', { peer: 'a peer', why })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** As many of the words, from the first, as one talk has room for, and the end: the rest is asked for again. Pure. */
export function answersOf(words: readonly SignedWord[]): TalkAnswer[] {
  let leftBytes = TALK_ANSWER_BYTES_MAX
  const beyond = words.findIndex((word, at) => {
    leftBytes -= Buffer.byteLength(JSON.stringify(word))
    return at >= TALK_ANSWERS_MAX || leftBytes < 0
  })
  const told = beyond < 0 ? words : words.slice(0, beyond)
  return [...told.map((word) => ({ say: 'word', word }) as const), { say: 'end' }]
}

/** The callee's end of all talks of a node. */
export class Answering {
  readonly #options: AnsweringOptions
  readonly #sockets = new Set<Socket>()
  #closed = false

  constructor(options: AnsweringOptions) {
    this.#options = options
  }

  /** Takes talks in from here on. */
  open(): void {
    const { relay } = this.#options
    relay.openTalks(() => {
      for (let taken = relay.takeTalk(); taken !== null; taken = relay.takeTalk()) {
        const { number, fd, nodeId, name } = taken
        this.#serve(new Socket({ fd }), { nodeId, name }, () => relay.endTalk(number))
      }
    })
  }

  /** Cuts off what is under way. */
  close(): void {
    this.#closed = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket, from: Caller, onEnd: () => void): void {
    const { clock, log } = this.#options
    this.#sockets.add(socket)
    const cancel = clock.setTimer(TALK_MS, () => socket.destroy())
    const lines = new Lines()
    let isAsked = false
    socket.on('error', (error) => log.debug({ err: error, peer: from.name }, 'a talk broke'))
    socket.on('close', () => {
      cancel()
      this.#sockets.delete(socket)
      onEnd()
    })
    socket.on('data', (chunk: Buffer) => {
      if (isAsked) return
      try {
        const [line] = lines.push(chunk)
        if (line === undefined) return
        isAsked = true
        void this.#answer(socket, readRequest(line), from)
      } catch (error) {
        isAsked = true
        this.#refuse(socket, error, from)
      }
    })
    if (this.#closed) socket.destroy()
  }

  async #answer(socket: Socket, request: TalkRequest, from: Caller): Promise<void> {
    try {
      const answers = await this.#options.answer(request, from)
      if (!socket.destroyed) socket.end(answers.map((each) => `${JSON.stringify(each)}\n`).join(''))
    } catch (error) {
      this.#refuse(socket, error, from)
    }
  }

  #refuse(socket: Socket, caught: unknown, from: Caller): void {
    const { code, message } = toEngineError(caught)
    this.#options.log.warn({ code, reason: message, peer: from.name, peerId: from.nodeId }, 'a talk is refused')
    const refusal: TalkAnswer = { say: 'refused', code, message: message.slice(0, MESSAGE_CHARS_MAX) }
    if (!socket.destroyed) socket.end(`${JSON.stringify(refusal)}\n`)
  }
}
