// The coordinator's end of the node channel: WebSockets at /v1/channel, one for each node.
// In: upgrades of the HTTP server. Out: hellos and messages to the coordinator's door, its answers to the node.
// Never: two sessions of one node, a name for two nodes, a decision about jobs.
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { CHANNEL_MESSAGE_BYTES_MAX, HEARTBEAT_MS, HELLO_MS, NODES_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import type { CoordinatorDoor } from './door.js'
import type { NodeSession } from './door/channel.js'
import { type ConnectionOwner, NodeConnection } from './node-connection.js'
import { checkOrigin } from './origin.js'
import { PROBLEM_TYPE, toProblem } from './problems.js'
import type { Hello } from './schema/channel.js'

/** Where nodes connect. */
export const CHANNEL_PATH = '/v1/channel'

export interface NodeChannelOptions {
  readonly door: Pick<CoordinatorDoor, 'nodeConnected'>
  readonly log: Logger
  readonly clock: Clock
  readonly metrics: Metrics
  /** Only this machine can reach the server; see `checkOrigin`. */
  readonly loopbackOnly: boolean
}

/** All nodes' sockets of one server. */
export class NodeChannel implements ConnectionOwner {
  readonly #options: NodeChannelOptions
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: CHANNEL_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  })
  readonly #connections = new Set<NodeConnection>()
  readonly #byId = new Map<string, NodeConnection>()
  readonly #stopBeating: Cancel
  #closed = false

  constructor(options: NodeChannelOptions) {
    this.#options = options
    this.#stopBeating = options.clock.setInterval(HEARTBEAT_MS, () => {
      for (const connection of this.#connections) connection.beat()
    })
  }

  /** Nodes that have said hello and are still there. */
  get nodeCount(): number {
    return this.#byId.size
  }

  /** Takes over the server's upgrades; anything that is not the node channel is refused. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy())
      try {
        this.#check(request)
      } catch (error) {
        this.#turnAway(socket, toEngineError(error))
        return
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.take(webSocket, `${request.socket.remoteAddress ?? '?'}:${request.socket.remotePort ?? 0}`)
      })
    })
  }

  /** Takes a connection over, from before its hello to its end. */
  take(socket: WebSocket, remote: string): void {
    const { clock, log } = this.#options
    const setDeadline = (run: () => void): Cancel => clock.setTimer(HELLO_MS, run)
    this.#connections.add(new NodeConnection({ socket, remote, owner: this, log, setDeadline }))
  }

  /** Lets go of every node; they come back when a coordinator listens again. */
  close(): void {
    this.#closed = true
    this.#stopBeating()
    for (const connection of [...this.#connections]) {
      connection.close('ENGINE_ERR_CLOSING', new EngineError('ENGINE_ERR_CLOSING').message)
      connection.terminate()
    }
    this.#sockets.close()
  }

  accept(connection: NodeConnection, hello: Hello): NodeSession {
    const { id, name } = hello.node
    for (const [otherId, other] of this.#byId) {
      if (otherId !== id && other.node?.name === name) {
        throw new EngineError('ENGINE_ERR_NODE_NAME_TAKEN', { name, nodeId: otherId })
      }
    }
    const older = this.#byId.get(id)
    if (older !== undefined) {
      const facts = { nodeId: id, node: name, older: older.remote, newer: connection.remote }
      this.#options.log.warn(facts, 'a node came anew while its old channel was open; the newer one counts')
      older.close('ENGINE_ERR_CONFLICT', 'the same node connected again')
    }
    this.#byId.set(id, connection)
    try {
      return this.#options.door.nodeConnected(connection, hello)
    } catch (error) {
      this.#byId.delete(id)
      throw error
    }
  }

  gone(connection: NodeConnection): void {
    this.#connections.delete(connection)
    const id = connection.node?.id
    if (id !== undefined && this.#byId.get(id) === connection) this.#byId.delete(id)
  }

  refused(code: string): void {
    this.#options.metrics.add('engine_channel_refusals_total', { code }, 1)
  }

  #check(request: IncomingMessage): void {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (this.#closed) throw new EngineError('ENGINE_ERR_CLOSING')
    if (path !== CHANNEL_PATH) throw new EngineError('ENGINE_ERR_ROUTE_UNKNOWN', { method: 'upgrade', path })
    checkOrigin(request.headers, this.#options.loopbackOnly)
    if (this.#connections.size >= NODES_MAX) throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'nodes' })
  }

  #turnAway(socket: Duplex, error: EngineError): void {
    this.refused(error.code)
    this.#options.log.warn({ err: error }, 'upgrade refused')
    const body = JSON.stringify(toProblem(error))
    const head = [
      `HTTP/1.1 ${error.status} Refused`,
      'connection: close',
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
}
