import type { FastifyReply } from 'fastify'
import { EngineError } from '../../base/errors.js'
import type { JobView } from '../../model/job.js'
import { editRequests, openRequest } from '../requests.js'
import { representationCheck } from '../repr-digest.js'
import { filePutQuery, fileRemoveQuery, siteFileParams } from '../schema/file.js'
import { idempotencyHeaders, jobView } from '../schema/job.js'
import { type App, problemAnswer, type RouteContext } from './context.js'
import { bodyOf, streamed, takeBodiesAsTheyCome } from './uploads.js'

const tags = ['files']

const accepted = (reply: FastifyReply, job: JobView): FastifyReply =>
  reply.code(202).header('location', `/v1/jobs/${job.id}`).send(job)

/** Single files of a site, on all of its nodes: each request is a job. */
export function siteFileRoutes(app: App, context: RouteContext): void {
  const { asking } = context
  app.route({
    method: 'DELETE',
    url: '/v1/sites/:site/files/*',
    schema: {
      operationId: 'removeFile',
      summary: 'Remove a file of a site on every node: a job',
      tags,
      params: siteFileParams,
      headers: idempotencyHeaders,
      querystring: fileRemoveQuery,
      response: { 202: jobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { site, '*': path } = request.params
      const { recursive, stageOnly, allowEmpty, maxDeleteRatio, reason } = request.query
      const remove = { type: 'remove', path, recursive: recursive !== undefined } as const
      const commands = editRequests([remove], stageOnly !== undefined)
      const asked = openRequest({
        ...{ site, commands, allowEmpty: allowEmpty !== undefined },
        ...(maxDeleteRatio === undefined ? {} : { maxDeleteRatio: Number(maxDeleteRatio) }),
        ...(reason === undefined ? {} : { reason }),
      })
      return accepted(reply, await asking(request).createJob(asked, request.headers['idempotency-key'] ?? null))
    },
  })
  void app.register(async (scope) => {
    takeBodiesAsTheyCome(scope, context)
    putRoute(scope, context)
  })
}

function putRoute(app: App, { asking }: RouteContext): void {
  app.route({
    method: 'PUT',
    url: '/v1/sites/:site/files/*',
    config: streamed,
    schema: {
      operationId: 'putFile',
      summary: 'Put a file into a site on every node: its bytes, of any length; the answer is a job',
      description: 'Escapes (%XX) stand for bytes. Repr-Digest is checked. What is not named stays as it is.',
      tags,
      params: siteFileParams,
      headers: idempotencyHeaders,
      querystring: filePutQuery,
      response: { 202: jobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { headers, params, query } = request
      // A part of a file must not be taken for all of it.
      if (headers['content-range'] !== undefined) {
        const facts = { what: 'Content-Range', why: 'a file is put whole here' }
        const hint = 'send it as an upload, which goes on where it broke off, and put it by its digest'
        throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts, { hint })
      }
      const bytes = bodyOf(request)
      const put = {
        ...{ site: params.site, path: params['*'], mode: query.mode ?? null, mtimeNs: query.mtimeNs ?? null },
        ...{ parents: query.parents !== undefined, stageOnly: query.stageOnly !== undefined },
        ...(query.group === undefined ? {} : { group: query.group }),
        ...(query.reason === undefined ? {} : { reason: query.reason }),
      }
      const body = { bytes, check: representationCheck(headers['repr-digest'], bytes) }
      return accepted(reply, await asking(request).putFile(put, body, headers['idempotency-key'] ?? null))
    },
  })
}
