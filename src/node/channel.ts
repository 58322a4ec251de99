// The node's end of the channel to its coordinator.
// In: the coordinator's URL, who this node is. Out: its commands, checked; a way to tell it things.
// Never: a command before the welcome, an end to trying: a node calls until its coordinator answers.
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, isErrorCode } from '../base/errors.js'
import { Heartbeat } from '../base/heartbeat.js'
import {
  CHANNEL_MESSAGE_BYTES_MAX,
  CHANNEL_QUEUE_BYTES_MAX,
  HEARTBEAT_MS,
  HELLO_MS,
  RECONNECT_FIRST_MS,
  RECONNECT_MAX_MS,
} from '../base/limits.js'
import type { Logger } from '../base/log.js'
import { jittered, type Random } from '../base/random.js'
import {
  CHANNEL_VERSION,
  type FromCoordinator,
  type FromNode,
  fromCoordinator,
  type Hello,
} from '../control/schema/channel.js'
import { inReach, reachablePeer } from './addresses.js'
import { Troubles } from './troubles.js'

export type Welcome = Extract<FromCoordinator, { type: 'welcome' }>
/** What a coordinator asks of a node once it has welcomed it. */
export type Order = Exclude<FromCoordinator, { type: 'welcome' | 'refuse' }>

export interface ChannelOptions {
  /** `http://host:port` of the coordinator. */
  readonly url: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** @param localAddress  this end of the connection, for nodes that listen on every address. */
  readonly hello: (localAddress: string) => Hello
  /** @throws {EngineError} when this coordinator is not the one; the channel is closed then and tried again. */
  readonly onWelcome: (welcome: Welcome) => void
  readonly onOrder: (order: Order) => void
  /** Why a coordinator that answered is not served, or the channel was closed by it. */
  readonly onRefused: (error: EngineError) => void
  /** Makes a connection; absent: over the network. */
  readonly connect?: Connect | undefined
}

/** @param url `ws://host:port/path`. */
export type Connect = (url: string) => WebSocket

const overNetwork: Connect = (url) =>
  new WebSocket(url, { maxPayload: CHANNEL_MESSAGE_BYTES_MAX, perMessageDeflate: false })

/** A wait is half of its limit to all of it, so that a thousand nodes do not call in the same instant. */
const JITTER = { middle: 0.75, share: 1 / 3 } as const

function channelUrl(url: string): string {
  const parsed = new URL(url)
  parsed.protocol = parsed.protocol === 'https:' ? 'wss:' : 'ws:'
  parsed.pathname = '/v1/channel'
  parsed.search = ''
  return parsed.toString()
}

/** Reads one message of a coordinator. @throws {EngineError} ENGINE_ERR_CHANNEL_PROTOCOL. */
export function readFromCoordinator(text: string): FromCoordinator {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: 'it is not JSON' }, { cause })
  }
  const read = fromCoordinator.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const why = `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not valid'}`
  throw new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why })
}

/** The error that a refusal stands for. */
function refusalOf({ code, message }: { readonly code: string; readonly message: string }): EngineError {
  if (isErrorCode(code)) return new EngineError(code, {}, { message })
  return new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: `refused with ${code}` }, { message })
}

/** Why a connection could not be made or broke: a word to tell reasons apart, and one for people. */
function reasonOf(error: NodeJS.ErrnoException): { readonly reason: string; readonly why: string } {
  const { code, message } = error
  // Where a name has several addresses, only the code says why none of them answered.
  return { reason: code ?? message, why: message === '' ? (code ?? 'not known') : message }
}

/** One connection at a time, made again for as long as the channel is open. */
export class Channel {
  readonly #options: ChannelOptions
  readonly #url: string
  #socket: WebSocket | null = null
  #remoteAddress = ''
  #isWelcome = false
  #heartbeat = new Heartbeat()
  #waitMs = RECONNECT_FIRST_MS
  #cancelRetry: Cancel | null = null
  #cancelDeadline: Cancel | null = null
  readonly #stopBeating: Cancel
  #closed = false
  readonly #unreachable: Troubles
  readonly #refusals: Troubles

  /** Begins to call at once. */
  constructor(options: ChannelOptions) {
    this.#options = options
    this.#url = channelUrl(options.url)
    this.#unreachable = new Troubles(options.clock)
    this.#refusals = new Troubles(options.clock)
    this.#stopBeating = options.clock.setInterval(HEARTBEAT_MS, () => this.#beat())
    this.#connect()
  }

  /** Whether a coordinator has welcomed this node and is still there. */
  get isUp(): boolean {
    return this.#isWelcome
  }

  /** @returns false when no coordinator is there to take it. */
  send(message: FromNode): boolean {
    const socket = this.#socket
    if (!this.#isWelcome || socket === null || socket.readyState !== WebSocket.OPEN) return false
    socket.send(JSON.stringify(message))
    if (socket.bufferedAmount > CHANNEL_QUEUE_BYTES_MAX) {
      this.#drop(new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: 'the coordinator reads nothing' }))
    }
    return true
  }

  /** Says good-bye and calls no more. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopBeating()
    this.#cancelRetry?.()
    this.#cancelDeadline?.()
    const socket = this.#socket
    this.#socket = null
    this.#isWelcome = false
    if (socket === null) return
    if (socket.readyState === WebSocket.OPEN) socket.close(1001)
    socket.terminate()
  }

  #connect(): void {
    const { clock, connect = overNetwork } = this.#options
    let localAddress = ''
    let isTold = false
    this.#remoteAddress = ''
    const socket = connect(this.#url)
    this.#socket = socket
    this.#heartbeat = new Heartbeat()
    this.#cancelDeadline = clock.setTimer(HELLO_MS, () => {
      this.#drop(new EngineError('ENGINE_ERR_TIMEOUT', { what: 'the welcome of the coordinator', ms: HELLO_MS }))
    })
    const ours = (run: () => void) => (): void => {
      if (this.#socket === socket) run()
    }
    socket.on('upgrade', ({ socket: raw }: { socket: Socket }) => {
      localAddress = raw.localAddress ?? ''
      this.#remoteAddress = raw.remoteAddress ?? ''
    })
    socket.on(
      'open',
      ours(() => socket.send(JSON.stringify(this.#options.hello(localAddress)))),
    )
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      ours(() => this.#onMessage(data, isBinary))()
    })
    for (const sign of ['ping', 'pong'] as const) {
      socket.on(
        sign,
        ours(() => this.#heartbeat.heard()),
      )
    }
    // A listener also for what is no longer ours: without one an error would end the process.
    socket.on('error', (error) => {
      ours(() => {
        isTold = true
        this.#onUnreachable(error)
      })()
    })
    socket.on(
      'close',
      ours(() => {
        if (!isTold) this.#onUnreachable(new Error('it closed the connection and said nothing'))
        this.#onClose()
      }),
    )
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#heartbeat.heard()
    try {
      if (isBinary) throw new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: 'a binary message' })
      this.#take(readFromCoordinator(data.toString('utf8')))
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      this.#drop(error)
    }
  }

  #take(message: FromCoordinator): void {
    if (message.type === 'refuse') throw refusalOf(message)
    if (message.type === 'welcome') {
      if (this.#isWelcome) throw new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: 'a second welcome' })
      this.#checkVersion(message)
      this.#cancelDeadline?.()
      this.#isWelcome = true
      try {
        this.#options.onWelcome(message)
      } catch (error) {
        this.#isWelcome = false
        throw error
      }
      this.#waitMs = RECONNECT_FIRST_MS
      this.#unreachable.clear()
      return
    }
    if (!this.#isWelcome) {
      throw new EngineError('ENGINE_ERR_CHANNEL_PROTOCOL', { why: `${message.type} before welcome` })
    }
    this.#options.onOrder(this.#reached(message))
  }

  #reached(order: Order): Order {
    if ('plan' in order) return inReach(order, this.#remoteAddress)
    return order.type === 'probe' ? { ...order, to: reachablePeer(order.to, this.#remoteAddress) } : order
  }

  #checkVersion({ version }: Welcome): void {
    if (version === CHANNEL_VERSION) return
    const facts = { peer: 'the coordinator', theirs: version, ours: CHANNEL_VERSION, channel: 'node channel' }
    throw new EngineError('ENGINE_ERR_VERSION_MISMATCH', facts)
  }

  /** Says that nobody was there; what breaks after a welcome is told as a coordinator that was lost. */
  #onUnreachable(cause: Error): void {
    const { log, url } = this.#options
    if (this.#isWelcome) {
      log.debug({ err: cause, url }, 'the connection broke')
      return
    }
    const { reason, why } = reasonOf(cause)
    const hint = 'start the coordinator, or say with --join where it is; this node calls until it answers'
    const err = new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url, why }, { hint })
    log[this.#unreachable.isDue(reason) ? 'warn' : 'debug']({ err, url }, 'no coordinator answers')
  }

  /** Cuts a connection that is of no use, and says why. */
  #drop(error: EngineError): void {
    const { log, url, onRefused } = this.#options
    const [level, message] = error.retryable
      ? (['warn', 'the channel was given up'] as const)
      : (['error', 'the coordinator does not take this node'] as const)
    log[this.#refusals.isDue(error.code) ? level : 'debug']({ err: error, url }, message)
    onRefused(error)
    // A coordinator that refuses is not asked again in the next instant.
    this.#waitMs = RECONNECT_MAX_MS
    const socket = this.#socket
    this.#onClose()
    socket?.terminate()
  }

  #onClose(): void {
    this.#cancelDeadline?.()
    this.#socket = null
    if (this.#isWelcome) this.#options.log.info({ url: this.#url }, 'coordinator lost')
    this.#isWelcome = false
    if (this.#closed) return
    const { clock, random } = this.#options
    const waitMs = jittered(this.#waitMs * JITTER.middle, JITTER.share, random)
    this.#cancelRetry = clock.setTimer(waitMs, () => this.#connect())
    this.#waitMs = Math.min(this.#waitMs * 2, RECONNECT_MAX_MS)
  }

  #beat(): void {
    const socket = this.#socket
    if (socket === null || socket.readyState !== WebSocket.OPEN) return
    const beat = this.#heartbeat.beat()
    if (beat === 'ask') socket.ping()
    if (beat !== 'gone') return
    this.#options.log.warn({ url: this.#url }, 'the coordinator is silent')
    this.#onClose()
    socket.terminate()
  }
}
