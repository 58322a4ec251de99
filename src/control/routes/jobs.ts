import { z } from 'zod'
import type { JobEvent } from '../../model/event.js'
import type { CoordinatorDoor } from '../door.js'
import { accountList } from '../schema/account.js'
import { eventQuery, jobEvent } from '../schema/event.js'
import {
  commandList,
  commandsRequest,
  idempotencyHeaders,
  jobList,
  jobParams,
  jobQuery,
  jobRequest,
  jobView,
} from '../schema/job.js'
import { receiptList } from '../schema/receipt.js'
import { type App, problemAnswer, type RouteContext } from './context.js'
import { sinceOf } from './last-event-id.js'

const tags = ['jobs']

/** Jobs: open one, add commands, list, look at one, commit, end, abort, and its receipts. */
export function jobRoutes(app: App, context: RouteContext): void {
  const { door, asking } = context
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    schema: {
      operationId: 'openJob',
      summary: 'Open a job, with its first commands',
      tags,
      headers: idempotencyHeaders,
      body: jobRequest,
      response: { 202: jobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const job = await asking(request).createJob(request.body, request.headers['idempotency-key'] ?? null)
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).send(job)
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/jobs',
    schema: {
      operationId: 'jobs',
      summary: 'Jobs, newest first',
      tags,
      querystring: jobQuery,
      response: { 200: jobList, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send({ items: await door.listJobs(request.query) }),
  })
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id',
    schema: {
      operationId: 'job',
      summary: 'One job with its nodes',
      tags,
      params: jobParams,
      response: { 200: jobView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.getJob(request.params.id)),
  })
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/receipts',
    schema: {
      operationId: 'receipts',
      summary: 'What each node has and has done',
      tags,
      params: jobParams,
      response: { 200: receiptList, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send({ items: await door.receipts(request.params.id) }),
  })
  explainRoute(app, context)
  commandRoutes(app, context)
  jobActionRoutes(app, context)
  jobEventRoute(app, context)
}

function explainRoute(app: App, { door }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/explain',
    schema: {
      operationId: 'explain',
      summary: 'How a job came to its end: waits, queries, answers, repairs, each with its reason',
      tags,
      params: jobParams,
      response: { 200: accountList, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send({ items: await door.explain(request.params.id) }),
  })
}

function commandRoutes(app: App, { door, asking }: RouteContext): void {
  const url = '/v1/jobs/:id/commands'
  app.route({
    method: 'POST',
    url,
    schema: {
      operationId: 'addCommands',
      summary: 'Add commands to a job that is open',
      tags,
      headers: idempotencyHeaders,
      params: jobParams,
      body: commandsRequest,
      response: { 202: jobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const key = request.headers['idempotency-key'] ?? null
      return reply.code(202).send(await asking(request).addCommands(request.params.id, request.body.commands, key))
    },
  })
  app.route({
    method: 'GET',
    url,
    schema: {
      operationId: 'commands',
      summary: 'The commands of a job, and where every node stands with each',
      tags,
      params: jobParams,
      response: { 200: commandList, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send({ items: await door.commands(request.params.id) }),
  })
}

function jobActionRoutes(app: App, { asking }: RouteContext): void {
  const actions = [
    {
      name: 'commit',
      summary: 'Ask a staged job to switch live; its events tell what comes of it',
      run: (door: CoordinatorDoor, id: string) => door.commitJob(id),
    },
    {
      name: 'end',
      summary: 'Close a job: nothing is added after this, and it ends when its nodes have answered',
      run: (door: CoordinatorDoor, id: string) => door.addCommands(id, [{ type: 'end-job' }]),
    },
    {
      name: 'abort',
      summary: 'Ask a job that has not switched anything to stop; its events tell when it has',
      run: (door: CoordinatorDoor, id: string) => door.abortJob(id),
    },
    {
      name: 'pause',
      summary: 'Have the content of a job sent no more until it is resumed; what is there stays',
      operationId: 'pauseJob',
      run: (door: CoordinatorDoor, id: string) => door.pauseJob(id),
    },
    {
      name: 'resume',
      summary: 'Have the content of a paused job sent again',
      operationId: 'resumeJob',
      run: (door: CoordinatorDoor, id: string) => door.resumeJob(id),
    },
  ]
  for (const { name, summary, run, operationId = name } of actions) {
    app.route({
      method: 'POST',
      url: `/v1/jobs/:id/${name}`,
      schema: {
        operationId,
        summary,
        tags,
        params: jobParams,
        response: { 202: jobView, ...problemAnswer },
      },
      handler: async (request, reply) => reply.code(202).send(await run(asking(request), request.params.id)),
    })
  }
}

function jobEventRoute(app: App, context: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/events',
    schema: {
      operationId: 'watch',
      summary: 'Server-sent events of one job, from its first or from after Last-Event-ID',
      tags,
      params: jobParams,
      querystring: eventQuery,
      response: {
        200: {
          description: 'Events named phase, progress and result; the stream ends after result.',
          content: { 'text/event-stream': { schema: jobEvent } },
        },
        204: z.undefined().describe('The job is over and nothing newer exists.'),
        ...problemAnswer,
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params
      const controller = new AbortController()
      const events = await openWatch(context, id, sinceOf(request.headers, request.query.sinceId), controller.signal)
      if (events === null) return reply.code(204).send()
      reply.hijack()
      await context.streams.send(reply.raw, events, controller)
      return reply
    },
  })
}

async function* resumed(first: JobEvent, rest: AsyncIterator<JobEvent>): AsyncGenerator<JobEvent> {
  try {
    yield first
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

/** The events to send; null when the job is over and the reader has seen everything. */
async function openWatch(
  context: RouteContext,
  id: string,
  since: number | null,
  signal: AbortSignal,
): Promise<AsyncIterable<JobEvent> | null> {
  context.streams.admit()
  const job = await context.door.getJob(id)
  const events = context.door.watchJob(id, since ?? 0, signal)
  if (job.finishedAtMs === null || since === null) return events
  const iterator = events[Symbol.asyncIterator]()
  const first = await iterator.next()
  return first.done === true ? null : resumed(first.value, iterator)
}
