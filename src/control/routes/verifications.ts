import { verifyRun, verifyRunParams, verifyRunRequest } from '../schema/verification.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

const tags = ['verifications']

/** Having nodes read what they serve, and what came of it. */
export function verificationRoutes(app: App, { door, asking }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/verifications',
    schema: {
      operationId: 'verify',
      summary: 'Have nodes compare what they serve with what was staged, and mend it if that is asked for',
      tags,
      body: verifyRunRequest,
      response: { 202: verifyRun, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const run = await asking(request).createVerification(request.body)
      return reply.code(202).header('location', `/v1/verifications/${run.id}`).send(run)
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/verifications/:id',
    schema: {
      operationId: 'verification',
      summary: 'What came of one, so far; kept while the coordinator runs, the newest',
      tags,
      params: verifyRunParams,
      response: { 200: verifyRun, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.getVerification(request.params.id)),
  })
}
