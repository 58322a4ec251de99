import { nodeList } from '../schema/node.js'
import { nodeParams, nodeStateView } from '../schema/node-state.js'
import { probeList, probeRequest } from '../schema/rate.js'
import { siteList } from '../schema/site.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

/** Who has joined, and what the sites are. */
export function nodeRoutes(app: App, { door, asking }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/nodes',
    schema: {
      operationId: 'nodes',
      summary: 'Nodes that have joined, and what each holds',
      tags: ['nodes'],
      response: { 200: nodeList, ...problemAnswer },
    },
    handler: async (_request, reply) => reply.send({ items: await door.nodes() }),
  })
  app.route({
    method: 'GET',
    url: '/v1/nodes/:name/state',
    schema: {
      operationId: 'queryNode',
      summary: 'Ask a node where each command of the running jobs stands on it',
      tags: ['nodes'],
      params: nodeParams,
      response: { 200: nodeStateView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.queryNode(request.params.name)),
  })
  app.route({
    method: 'POST',
    url: '/v1/nodes/:name/probe',
    schema: {
      operationId: 'probe',
      summary: 'Measure what can be sent to a node, and by it, now',
      tags: ['nodes'],
      params: nodeParams,
      body: probeRequest,
      response: { 200: probeList, ...problemAnswer },
    },
    handler: async (request, reply) => {
      return reply.send({ items: await asking(request).probe(request.params.name, request.body) })
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/sites',
    schema: {
      operationId: 'sites',
      summary: 'Sites, what should be live and where it is',
      tags: ['sites'],
      response: { 200: siteList, ...problemAnswer },
    },
    handler: async (_request, reply) => reply.send({ items: await door.sites() }),
  })
}
