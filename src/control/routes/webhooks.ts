import { z } from 'zod'
import {
  deliveryList,
  deliveryParams,
  deliveryView,
  rotateRequest,
  webhookList,
  webhookParams,
  webhookRequest,
  webhookWithSecret,
} from '../schema/webhook.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

const tags = ['webhooks']

/** Webhooks: who is called back, and what came of each call. */
export function webhookRoutes(app: App, context: RouteContext): void {
  const { door, asking } = context
  app.route({
    method: 'POST',
    url: '/v1/webhooks',
    schema: {
      operationId: 'addWebhook',
      summary: 'Be called back; the answer holds the secret, this once',
      tags,
      body: webhookRequest,
      response: { 201: webhookWithSecret, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const added = await asking(request).webhooks.add(request.body)
      return reply.code(201).header('location', `/v1/webhooks/${added.webhook.id}`).send(added)
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/webhooks',
    schema: {
      operationId: 'webhooks',
      summary: 'Who is called back, oldest first, without secrets',
      tags,
      response: { 200: webhookList, ...problemAnswer },
    },
    handler: async (_request, reply) => reply.send({ items: await door.webhooks.list() }),
  })
  app.route({
    method: 'DELETE',
    url: '/v1/webhooks/:id',
    schema: {
      operationId: 'removeWebhook',
      summary: 'Call it no more; what waits for it is forgotten',
      tags,
      params: webhookParams,
      response: { 204: z.undefined().describe('It is gone.'), ...problemAnswer },
    },
    handler: async (request, reply) => {
      await asking(request).webhooks.remove(request.params.id)
      return reply.code(204).send()
    },
  })
  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/rotate',
    schema: {
      operationId: 'rotateWebhook',
      summary: 'A new secret, shown this once; for a day the one before it signs too',
      tags,
      params: webhookParams,
      body: rotateRequest,
      response: { 200: webhookWithSecret, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { webhooks } = asking(request)
      return reply.send(await webhooks.rotate(request.params.id, request.body.secret))
    },
  })
  deliveryRoutes(app, context)
}

function deliveryRoutes(app: App, { door, asking }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/webhooks/:id/deliveries',
    schema: {
      operationId: 'deliveries',
      summary: 'What was sent to it and what came of it, newest first',
      tags,
      params: webhookParams,
      response: { 200: deliveryList, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send({ items: await door.webhooks.deliveries(request.params.id) }),
  })
  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/deliveries/:delivery/resend',
    schema: {
      operationId: 'resendDelivery',
      summary: 'Send it again, under the same id',
      tags,
      params: deliveryParams,
      response: { 202: deliveryView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { id, delivery } = request.params
      return reply.code(202).send(await asking(request).webhooks.resend(id, delivery))
    },
  })
  app.route({
    method: 'POST',
    url: '/v1/webhooks/:id/ping',
    schema: {
      operationId: 'pingWebhook',
      summary: 'Send an event that says nothing; a webhook that is off and answers is on again',
      tags,
      params: webhookParams,
      response: { 202: deliveryView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.code(202).send(await asking(request).webhooks.ping(request.params.id)),
  })
}
