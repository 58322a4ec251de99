import { cloudEvent, fleetQuery } from '../schema/fleet-event.js'
import { type App, problemAnswer, type RouteContext } from './context.js'
import { sinceOf } from './last-event-id.js'

/** The event stream of the whole fleet. */
export function eventRoutes(app: App, { door, streams }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/events',
    schema: {
      operationId: 'events',
      summary: 'Server-sent events of the fleet: from now, or after Last-Event-ID or `since` within the last hour',
      tags: ['events'],
      querystring: fleetQuery,
      response: {
        200: {
          description: 'CloudEvents, named by their type. The stream does not end by itself.',
          content: { 'text/event-stream': { schema: cloudEvent } },
        },
        ...problemAnswer,
      },
    },
    handler: async (request, reply) => {
      streams.admit()
      const { types, since } = request.query
      const sinceId = sinceOf(request.headers, since) ?? (await door.lastFleetEventId())
      const controller = new AbortController()
      reply.hijack()
      // Who has not seen an event yet resumes here, too: browsers by the id, others by the comment.
      const opening = `: since ${sinceId}\nid: ${sinceId}\n\n`
      await streams.send(reply.raw, door.watchFleet({ types, sinceId }, controller.signal), controller, opening)
      return reply
    },
  })
}
