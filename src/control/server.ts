// The control plane's server: HTTP for people and programs, event streams, and the node channel.
// In: requests. Out: what the coordinator's door answers, checked by the schemas; problem documents.
// Never: a decision, a look into the database, a payload byte; an answer to a web page of another origin.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import { type FastifyError, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { type Clock, systemClock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_CHECK_MS,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_MS,
  HTTP_REQUEST_MS,
} from '../base/limits.js'
import { type Logger, silentLogger } from '../base/log.js'
import { isLoopback } from '../base/loopback.js'
import type { PeerAddress } from '../model/node.js'
import type { CoordinatorDoor } from './door.js'
import { EventStreams } from './events.js'
import { createMetrics, type PrometheusMetrics } from './metrics.js'
import { NodeChannel } from './node-channel.js'
import { openApiOptions } from './openapi.js'
import { checkOrigin } from './origin.js'
import { PROBLEM_TYPE, problemOf, toProblem } from './problems.js'
import { auditRoutes } from './routes/audit.js'
import { verificationRoutes } from './routes/verifications.js'
import type { App, RouteContext } from './routes/context.js'
import { eventRoutes } from './routes/events.js'
import { fileRoutes, withBytesKept } from './routes/files.js'
import { siteFileRoutes } from './routes/site-files.js'
import { jobRoutes } from './routes/jobs.js'
import { limitRoutes } from './routes/limits.js'
import { siteRoutes } from './routes/sites.js'
import { nodeRoutes } from './routes/nodes.js'
import { systemRoutes } from './routes/system.js'
import { webhookRoutes } from './routes/webhooks.js'
import { uploadRoutes } from './routes/uploads.js'

export interface ControlServerOptions {
  readonly door: CoordinatorDoor
  /** The door as one caller has it, by remote address; `door` for all of them when absent. */
  readonly doorFor?: (actor: string) => CoordinatorDoor
  /** Where to listen; port 0 takes any free one. */
  readonly host: string
  readonly port: number
  readonly log: Logger
  readonly clock: Clock
  readonly metrics: PrometheusMetrics
}

interface Parts {
  readonly app: App
  readonly streams: EventStreams
  readonly channel: NodeChannel
}

/** The status line and the reason for what could not be read as a request. */
function refusalOf(code: string | undefined): { readonly status: string; readonly why: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: '431 Headers Too Large', why: 'its headers are too large' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: '408 Request Timeout', why: 'it was not complete in time' }
    default:
      return { status: '400 Bad Request', why: 'it is not HTTP' }
  }
}

/**
 * What is not HTTP at all is answered shortly and cut, whether or not the caller hangs up as well: until the socket
 * is gone it counts against HTTP_CONNECTIONS_MAX. Who has not even taken earlier answers gets none.
 */
function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.writableLength > 0) {
    socket.destroy()
    return
  }
  const { status, why } = refusalOf(error.code)
  const body = JSON.stringify(toProblem(new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the request', why })))
  const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: ${PROBLEM_TYPE}\r\n`
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy())
}

/** A body that is not streamed must be there within HTTP_REQUEST_MS. */
function limitBodyTime({ raw, routeOptions }: FastifyRequest, clock: Clock): void {
  const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
  if (!hasBody || routeOptions.config.streamed === true) return
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
  const cancel = clock.setTimer(HTTP_REQUEST_MS, () => onClientError(late, raw.socket))
  raw.once('end', cancel).once('close', cancel)
}

function createApp(): App {
  const app: App = fastify({
    bodyLimit: HTTP_BODY_BYTES_MAX,
    // A content may take hours: other bodies have `limitBodyTime`.
    requestTimeout: 0,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 128 },
    rewriteUrl: ({ url = '/' }) => withBytesKept(url),
    http: {
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
      headersTimeout: HTTP_HEADERS_MS,
      connectionsCheckingInterval: HTTP_CHECK_MS,
    },
    clientErrorHandler: onClientError,
    frameworkErrors: (error, request, reply: FastifyReply) => {
      const answer = problemOf(error, request.headers['content-type'])
      void reply.code(answer.status).type(PROBLEM_TYPE).send(JSON.stringify(answer))
    },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.removeContentTypeParser('text/plain')
  app.server.maxConnections = HTTP_CONNECTIONS_MAX
  return app
}

function answerErrors(app: App, log: Logger): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const answer = problemOf(error, request.headers['content-type'])
    if (answer.status >= 500) log.error({ err: error, route: request.routeOptions.url }, 'request failed')
    if (answer.status === 503) void reply.header('retry-after', '1')
    return reply.code(answer.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(answer)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? ''
    const answer = toProblem(new EngineError('ENGINE_ERR_ROUTE_UNKNOWN', { method: request.method, path }))
    return reply.code(404).type(PROBLEM_TYPE).serializer(JSON.stringify).send(answer)
  })
}

/** Makes the server's parts without listening; requests can be injected. */
export async function buildServer(options: Omit<ControlServerOptions, 'port'>): Promise<Parts> {
  const { door, doorFor = () => door, log, clock, metrics } = options
  const app = createApp()
  const loopbackOnly = isLoopback(options.host)
  const streams = new EventStreams({ clock, log, metrics })
  const channel = new NodeChannel({ door, log, clock, metrics, loopbackOnly })
  app.addHook('onRequest', async (request) => checkOrigin(request.headers, loopbackOnly))
  app.addHook('onRequest', async (request) => limitBodyTime(request, clock))
  app.addHook('onResponse', async (request, reply) => {
    const labels = { method: request.method, route: request.routeOptions.url ?? 'none', status: `${reply.statusCode}` }
    metrics.add('engine_http_requests_total', labels, 1)
  })
  answerErrors(app, log)
  await app.register(swagger, openApiOptions)
  app.after(() => {
    // An IPv4 caller of a socket that takes both is named as it is elsewhere.
    const asking: RouteContext['asking'] = ({ ip }) => doorFor(ip.replace(/^::ffff:(?=\d+\.)/, ''))
    const context = { door, asking, streams, metrics, clock }
    jobRoutes(app, context)
    nodeRoutes(app, context)
    limitRoutes(app, context)
    siteRoutes(app, context)
    auditRoutes(app, context)
    verificationRoutes(app, context)
    eventRoutes(app, context)
    webhookRoutes(app, context)
    systemRoutes(app, context)
    uploadRoutes(app, context)
    fileRoutes(app, context)
    siteFileRoutes(app, context)
  })
  channel.attach(app.server)
  app.addHook('preClose', async () => {
    streams.close()
    channel.close()
  })
  await app.ready()
  return { app, streams, channel }
}

/** A listening control plane. */
export class ControlServer {
  readonly address: PeerAddress
  readonly #parts: Parts
  #closing: Promise<void> | null = null

  private constructor(address: PeerAddress, parts: Parts) {
    this.address = address
    this.#parts = parts
  }

  /**
   * Starts to listen.
   * @throws {EngineError} ENGINE_ERR_PORT_IN_USE, ENGINE_ERR_LISTEN.
   */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    const { host, port } = options
    const parts = await buildServer(options)
    try {
      await parts.app.listen({ host, port })
    } catch (error) {
      await parts.app.close()
      throw listenError(error, { host, port })
    }
    return new ControlServer({ host, port: boundPort(parts.app.server, port) }, parts)
  }

  /** Where clients and nodes find it; a wildcard address is given as this machine's loopback. */
  get url(): string {
    const { host, port } = this.address
    const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    return `http://${hostPort({ host: reachable, port })}`
  }

  /** Where it listens, as it was told: a wildcard address stays one. */
  get listen(): string {
    return hostPort(this.address)
  }

  /** Nodes that are connected now. */
  get nodeCount(): number {
    return this.#parts.channel.nodeCount
  }

  /** Ends streams and channels, answers what is under way, stops listening. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#parts.app.close()
    return this.#closing
  }
}

const hostPort = ({ host, port }: PeerAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

function boundPort(server: Server, asked: number): number {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : asked
}

function listenError(error: unknown, where: PeerAddress): EngineError {
  const caught = toEngineError(error, { ...where })
  if (caught.code === 'ENGINE_ERR_PORT_IN_USE') return caught
  return new EngineError('ENGINE_ERR_LISTEN', { ...where, why: caught.message }, { cause: error })
}

/** The OpenAPI 3.1 document, as /openapi.json serves it and docs/reference/openapi.json keeps it. */
export async function openApiDocument(): Promise<object> {
  const absent = (): never => {
    throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'the description of the API asks nobody' })
  }
  const door = new Proxy({} as CoordinatorDoor, { get: () => absent })
  const options = { door, host: '127.0.0.1', log: silentLogger, clock: systemClock, metrics: createMetrics() }
  const { app } = await buildServer(options)
  try {
    return app.swagger()
  } finally {
    await app.close()
  }
}
