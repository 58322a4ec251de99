import { limitList, limitRequest, limitView } from '../schema/limit.js'
import { nodeParams } from '../schema/node-state.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

const tags = ['nodes']

/** How fast relays may send: what is in force, and another limit until the process starts again. */
export function limitRoutes(app: App, { door, asking }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/limits',
    schema: {
      operationId: 'limits',
      summary: 'How fast the coordinator and the connected nodes may send',
      tags,
      response: { 200: limitList, ...problemAnswer },
    },
    handler: async (_request, reply) => reply.send({ items: await door.limits() }),
  })
  app.route({
    method: 'PUT',
    url: '/v1/limits/:name',
    schema: {
      operationId: 'setLimit',
      summary: 'Limit what a node (or `coordinator`) sends, until its process starts again',
      tags,
      params: nodeParams,
      body: limitRequest,
      response: { 200: limitView, ...problemAnswer },
    },
    handler: async (request, reply) =>
      reply.send(await asking(request).setLimit(request.params.name, request.body.bandwidth)),
  })
}
