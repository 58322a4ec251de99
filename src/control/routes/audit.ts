import { auditPage, auditQuery } from '../schema/audit.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

/** Who asked for which change. */
export function auditRoutes(app: App, { door }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/audit',
    schema: {
      operationId: 'audit',
      summary: 'Who asked for which change and what came of it, chained by hashes, oldest first',
      tags: ['audit'],
      querystring: auditQuery,
      response: { 200: auditPage, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.audit(request.query)),
  })
}
