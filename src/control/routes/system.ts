import { health, versionView } from '../schema/version.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

/** Health, version, metrics and the description of the API itself. */
export function systemRoutes(app: App, { door, metrics }: RouteContext): void {
  const tags = ['system']
  app.route({
    method: 'GET',
    url: '/v1/version',
    schema: {
      operationId: 'version',
      summary: 'Which software and which coordinator answers',
      tags,
      response: { 200: versionView, ...problemAnswer },
    },
    handler: async (_request, reply) => reply.send(door.version()),
  })
  app.route({
    method: 'GET',
    url: '/healthz/live',
    schema: { operationId: 'live', summary: 'The process answers', tags, response: { 200: health } },
    handler: async (_request, reply) => reply.send({ ok: true }),
  })
  app.route({
    method: 'GET',
    url: '/healthz/ready',
    schema: {
      operationId: 'ready',
      summary: 'New jobs are taken',
      tags,
      response: { 200: health, 503: health },
    },
    handler: async (_request, reply) => {
      const ok = door.ready()
      return reply.code(ok ? 200 : 503).send({ ok })
    },
  })
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    const text = await metrics.text()
    return reply.header('content-type', metrics.contentType).send(text)
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
