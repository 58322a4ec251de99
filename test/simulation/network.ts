// Connections between nodes and their coordinator: delay, cuts, one-way silence, messages delivered twice.
// What is on its way keeps its order, as TCP has it; across two connections there is no order.
import { EventEmitter } from 'node:events'
import type { WebSocket } from 'ws'
import type { Random } from '../../src/base/random.js'
import type { Timeline } from './clock.js'

export type Side = 'node' | 'coordinator'
const CONNECTING = 0
const OPEN = 1
const CLOSED = 3

/** What one node's way to the coordinator is like just now. */
export interface Way {
  delayMs: number
  /** Nothing that this side says arrives; it waits until the way is free again. */
  readonly isMuted: Record<Side, boolean>
  /** Share of orders and reports that arrive twice. */
  twice: number
}

type Parcel = { readonly kind: 'message' | 'ping' | 'pong' | 'close' | 'reset'; readonly text: string }

/** As much of a WebSocket as the channel's two ends use. */
export class SimSocket extends EventEmitter {
  readyState = CONNECTING
  readonly bufferedAmount = 0
  peer: SimSocket | null = null
  readonly #waiting: Parcel[] = []
  #lastMs = 0

  constructor(
    readonly network: Network,
    readonly way: Way,
    readonly side: Side,
  ) {
    super()
  }

  send(text: string): void {
    if (this.readyState !== OPEN) return
    this.network.onSend(this.side, this.way)
    if (this.readyState !== OPEN) return
    this.#put({ kind: 'message', text })
    if (this.way.twice > 0 && mayRepeat(text) && this.network.random.next() < this.way.twice) {
      this.#put({ kind: 'message', text })
    }
  }

  ping(): void {
    if (this.readyState === OPEN) this.#put({ kind: 'ping', text: '' })
  }

  close(): void {
    if (this.readyState === CLOSED) return
    this.#put({ kind: 'close', text: '' })
    this.#end()
  }

  terminate(): void {
    if (this.readyState === CLOSED) return
    this.#waiting.length = 0
    this.#put({ kind: 'reset', text: '' })
    this.#end()
  }

  /** The process is gone. @param isSilent not even its machine says so. */
  die(isSilent: boolean): void {
    this.removeAllListeners()
    this.on('error', () => {})
    if (isSilent) this.readyState = CLOSED
    else this.terminate()
  }

  open(): void {
    this.readyState = OPEN
  }

  /** The way is free again. */
  flush(): void {
    for (const parcel of this.#waiting.splice(0)) this.#put(parcel)
  }

  #end(): void {
    this.readyState = CLOSED
    this.network.time.after(0, () => this.emit('close', 1006))
  }

  #put(parcel: Parcel): void {
    if (this.way.isMuted[this.side]) {
      this.#waiting.push(parcel)
      return
    }
    const { time, random } = this.network
    this.#lastMs = Math.max(this.#lastMs, time.nowMs + 1 + this.way.delayMs * random.next())
    const { peer } = this
    time.after(this.#lastMs - time.nowMs, () => peer?.take(parcel))
  }

  take({ kind, text }: Parcel): void {
    if (this.readyState !== OPEN) return
    if (kind === 'message') {
      const heard = this.network.onMessage(this.side, this.way, text)
      this.emit('message', { toString: () => heard }, false)
    } else if (kind === 'ping') {
      this.emit('ping')
      if (this.readyState === OPEN) this.#put({ kind: 'pong', text: '' })
    } else if (kind === 'pong') this.emit('pong')
    else this.#end()
  }
}

/** The first words of a connection are said once; anything else may come twice and must do no harm. */
const mayRepeat = (text: string): boolean => !text.startsWith('{"type":"hello') && !text.startsWith('{"type":"welcome')

export interface NetworkOptions {
  readonly time: Timeline
  readonly random: Random
  /** Gives a connection to the coordinator that is there; false: none is. */
  readonly accept: (socket: WebSocket, remote: string) => boolean
  /** A process of this side says something: it may end right there. */
  readonly onSend: (side: Side, way: Way) => void
  /** This side is about to hear something. @returns what it hears. */
  readonly onMessage: (side: Side, way: Way, text: string) => string
}

export class Network {
  readonly time: Timeline
  readonly random: Random
  readonly #options: NetworkOptions
  readonly #sockets = new Set<SimSocket>()

  constructor(options: NetworkOptions) {
    this.#options = options
    this.time = options.time
    this.random = options.random
  }

  onSend(side: Side, way: Way): void {
    this.#options.onSend(side, way)
  }

  onMessage(side: Side, way: Way, text: string): string {
    return this.#options.onMessage(side, way, text)
  }

  /** A node calls. */
  connect(way: Way, name: string): WebSocket {
    const near = new SimSocket(this, way, 'node')
    this.#sockets.add(near)
    this.time.after(1 + way.delayMs * this.random.next(), () => this.#reach(near, name))
    return near as unknown as WebSocket
  }

  #reach(near: SimSocket, name: string): void {
    const { way } = near
    // Nobody answers: who called gives up by its own clock.
    if (near.readyState !== CONNECTING || way.isMuted.node || way.isMuted.coordinator) return
    const far = new SimSocket(this, way, 'coordinator')
    far.peer = near
    near.peer = far
    far.open()
    this.#sockets.add(far)
    if (!this.#options.accept(far as unknown as WebSocket, name)) {
      near.readyState = CLOSED
      near.emit('error', Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }))
      near.emit('close', 1006)
      return
    }
    near.open()
    near.emit('upgrade', { socket: { localAddress: '10.0.0.2', remoteAddress: '10.0.0.1' } })
    near.emit('open')
  }

  /** Cuts what is open of a node. */
  cut(way: Way): void {
    for (const socket of this.#of(way)) socket.terminate()
  }

  /** All of a process' ends are gone. @param way of a node; absent: the coordinator's ends. */
  die(isSilent: boolean, way?: Way): void {
    const side = way === undefined ? 'coordinator' : 'node'
    for (const socket of this.#all()) {
      if (socket.side !== side || (way !== undefined && socket.way !== way)) continue
      socket.die(isSilent)
      this.#sockets.delete(socket)
    }
  }

  free(way: Way): void {
    way.isMuted.node = false
    way.isMuted.coordinator = false
    for (const socket of this.#of(way)) socket.flush()
  }

  #of(way: Way): readonly SimSocket[] {
    return this.#all().filter((socket) => socket.way === way)
  }

  #all(): readonly SimSocket[] {
    for (const socket of this.#sockets) if (socket.readyState === CLOSED) this.#sockets.delete(socket)
    return [...this.#sockets]
  }
}
