import type { WebSocket } from 'ws'
import type { Cancel } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { Heartbeat } from '../base/heartbeat.js'
import { CHANNEL_QUEUE_BYTES_MAX, CLOSE_REASON_BYTES_MAX, MESSAGE_CHARS_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { NodeLink, NodeSession } from './door/channel.js'
import { CHANNEL_VERSION, type FromCoordinator, type FromNode, fromNode, type Hello } from './schema/channel.js'

const protocolError = (why: string): EngineError => new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why })

/** Reads one message of a node. @throws {EngineError} ENGINE_ERR_CHANNEL_PROTOCOL, ENGINE_ERR_VERSION_MISMATCH. */
export function readFromNode(text: string): FromNode {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw protocolError('it is not JSON')
  }
  const { type, version } = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  if (type === 'hello' && typeof version === 'number' && version !== CHANNEL_VERSION) {
    const facts = { peer: 'the node', theirs: version, ours: CHANNEL_VERSION, channel: 'node channel' }
    throw new EngineError('ENGINE_ERR_VERSION_MISMATCH', facts)
  }
  const read = fromNode.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw protocolError(`${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not valid'}`)
}

/** What a connection asks of the channel it belongs to. */
export interface ConnectionOwner {
  /** First message. @throws {EngineError} whatever refuses the node. */
  accept(connection: NodeConnection, hello: Hello): NodeSession
  gone(connection: NodeConnection): void
  refused(code: string): void
}

/** One socket of the node channel, from upgrade to close. */
export class NodeConnection implements NodeLink {
  readonly remote: string
  readonly #socket: WebSocket
  readonly #owner: ConnectionOwner
  #log: Logger
  #hello: Hello | null = null
  #session: NodeSession | null = null
  #cancelDeadline: Cancel
  readonly #heartbeat = new Heartbeat()
  #closed = false

  /** @param setDeadline  arms the wait for hello. */
  constructor(options: {
    readonly socket: WebSocket
    readonly remote: string
    readonly owner: ConnectionOwner
    readonly log: Logger
    readonly setDeadline: (run: () => void) => Cancel
  }) {
    this.remote = options.remote
    this.#socket = options.socket
    this.#owner = options.owner
    this.#log = options.log
    this.#cancelDeadline = options.setDeadline(() => {
      this.#refuse(protocolError('no hello came in time'))
    })
    this.#socket.on('message', (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary))
    for (const sign of ['ping', 'pong']) this.#socket.on(sign, () => this.#onSign())
    this.#socket.on('error', (error) => this.#log.debug({ err: error }, 'node channel socket failed'))
    this.#socket.on('close', () => {
      // It was there to close it, or its system was.
      this.#onSign()
      this.end('socket closed')
    })
  }

  /** Who said hello; null before that. */
  get node(): Hello['node'] | null {
    return this.#hello?.node ?? null
  }

  send(message: FromCoordinator): void {
    if (this.#closed) return
    this.#socket.send(JSON.stringify(message))
    if (this.#socket.bufferedAmount > CHANNEL_QUEUE_BYTES_MAX) {
      this.#log.warn({ bytes: this.#socket.bufferedAmount }, 'node reads too slowly, channel cut')
      this.#owner.refused('ENGINE_ERR_OVERLOADED')
      this.#socket.terminate()
      this.end('reads too slowly')
    }
  }

  close(code: string, message: string): void {
    if (this.#closed) return
    this.send({ type: 'refuse', code, message: message.slice(0, MESSAGE_CHARS_MAX) })
    this.#socket.close(1008, Buffer.from(code).subarray(0, CLOSE_REASON_BYTES_MAX))
    this.end(code)
  }

  /** Asks for a sign of life; a node that gave none for too long is let go. */
  beat(): void {
    if (this.#closed) return
    const beat = this.#heartbeat.beat()
    if (beat === 'ask') this.#socket.ping()
    if (beat !== 'gone') return
    this.#log.warn('node is silent, channel cut')
    this.#socket.terminate()
    this.end('silent')
  }

  /** Cuts the socket without a word, as a dying process would. */
  terminate(): void {
    this.#socket.terminate()
    this.end('terminated')
  }

  /** Tells everybody once that it is over. */
  end(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelDeadline()
    this.#owner.gone(this)
    this.#log.info({ reason }, 'node channel closed')
    const session = this.#session
    this.#session = null
    if (session !== null) this.#guarded(() => session.onClosed())
  }

  #onSign(): void {
    this.#heartbeat.heard()
    const session = this.#session
    if (session !== null) this.#guarded(() => session.onAlive())
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return
    this.#heartbeat.heard()
    try {
      if (isBinary) throw protocolError('a binary message')
      this.#take(readFromNode(data.toString('utf8')))
    } catch (error) {
      this.#refuse(toEngineError(error))
    }
  }

  #take(message: FromNode): void {
    if (message.type === 'hello') {
      if (this.#hello !== null) throw protocolError('a second hello')
      this.#cancelDeadline()
      this.#hello = message
      this.#log = this.#log.child({ nodeId: message.node.id, node: message.node.name })
      const session = this.#owner.accept(this, message)
      if (this.#closed) this.#guarded(() => session.onClosed())
      else this.#session = session
      return
    }
    if (this.#hello === null) throw protocolError(`${message.type} before hello`)
    const session = this.#session
    if (session !== null) this.#guarded(() => session.onMessage(message))
  }

  /** What the coordinator throws at a message is its own trouble: the channel goes on. */
  #guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#log.error({ err: toEngineError(error) }, 'a message of a node was not taken')
    }
  }

  #refuse(error: EngineError): void {
    this.#log.warn({ err: error, remote: this.remote }, 'node refused')
    this.#owner.refused(error.code)
    this.close(error.code, error.message)
  }
}
