import { auditPage, auditQuery } from '../schema/audit.js'
import { historyList, historyQuery, siteParams } from '../schema/history.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

/** Who asked for which change, and what became of a site. */
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
  app.route({
    method: 'GET',
    url: '/v1/sites/:site/history',
    schema: {
      operationId: 'history',
      summary: 'Every kept job of a site that decided or failed, newest first',
      tags: ['audit'],
      params: siteParams,
      querystring: historyQuery,
      response: { 200: historyList, ...problemAnswer },
    },
    handler: async ({ params, query }, reply) => reply.send({ items: await door.history(params.site, query.limit) }),
  })
}
