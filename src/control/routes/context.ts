import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Clock } from '../../base/clock.js'
import type { CoordinatorDoor, ReadingDoor } from '../door.js'
import type { EventStreams } from '../events.js'
import type { PrometheusMetrics } from '../metrics.js'
import { problem } from '../schema/problem.js'

/** The HTTP framework, typed by our schemas. */
export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its body is read at the disk's pace, however long that takes. */
    streamed?: boolean
  }
}

/** What routes may use; they ask the door and never decide. */
export interface RouteContext {
  /** For what changes nothing. */
  readonly door: ReadingDoor
  /** The door as who sent a request has it: what changes something is recorded as theirs. */
  readonly asking: (request: { readonly ip: string }) => CoordinatorDoor
  readonly streams: EventStreams
  readonly metrics: PrometheusMetrics
  readonly clock: Clock
}

type ProblemAnswer = { content: { 'application/problem+json': { schema: typeof problem } }; description: string }

/** What every route may answer instead: a problem document. */
export const problemAnswer: { readonly default: ProblemAnswer } = {
  default: {
    description: 'What went wrong: switch on `code`.',
    content: { 'application/problem+json': { schema: problem } },
  },
}
