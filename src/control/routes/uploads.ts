import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { EngineError } from '../../base/errors.js'
import { UPLOAD_LINGER_MS } from '../../base/upload-limits.js'
import { contentRangeOf } from '../content-range.js'
import type { UploadsDoor } from '../door/uploads.js'
import { representationCheck } from '../repr-digest.js'
import {
  blobParams,
  blobView,
  looseView,
  missingPage,
  missingQuery,
  siteParams,
  uploadList,
  uploadParams,
  uploadQuery,
  uploadView,
} from '../schema/upload.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

const tags = ['uploads']
const nothing = z.undefined()
/** Its body may take as long as it likes, above a pace. */
export const streamed = { streamed: true } as const

/** Content from afar: describe a tree, send what is missing of it, complete it. Bodies are streamed. */
export function uploadRoutes(app: App, context: RouteContext): void {
  void app.register(async (scope) => {
    takeBodiesAsTheyCome(scope, context)
    manifestRoutes(scope, context)
    queryRoutes(scope, context)
    blobRoutes(scope, context)
    looseRoutes(scope, context)
  })
}

/** No parser reads a body here: who takes it does, at the disk's pace. What nobody takes is thrown away for a while. */
export function takeBodiesAsTheyCome(scope: App, { clock }: RouteContext): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  scope.addHook('onRequest', async ({ headers }) => {
    const coding = headers['content-encoding'] ?? 'identity'
    if (coding === 'identity') return
    // Else the coded bytes would be taken for the file.
    const hint = 'send the bytes as they are; what travels to nodes is compressed by the coordinator'
    throw new EngineError('ENGINE_ERR_MEDIA_TYPE', { type: `content-encoding: ${coding}` }, { hint })
  })
  scope.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return
    raw.resume()
    const cancel = clock.setTimer(UPLOAD_LINGER_MS, () => raw.destroy())
    raw.once('end', cancel).once('close', cancel)
  })
}

/** The body of a request, unread. */
export const bodyOf = ({ raw }: FastifyRequest): IncomingMessage => raw

function manifestRoutes(app: App, { asking }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/uploads',
    config: streamed,
    schema: {
      operationId: 'createUpload',
      summary: 'Describe a tree, one entry a line; the answer says how much of it is to be sent',
      tags,
      querystring: uploadQuery,
      response: { 201: uploadView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const upload = await asking(request).uploads.create(request.query.site, bodyOf(request))
      return reply.code(201).header('location', `/v1/uploads/${upload.id}`).send(upload)
    },
  })
  app.route({
    method: 'POST',
    url: '/v1/uploads/:id/complete',
    schema: {
      operationId: 'completeUpload',
      summary: 'Everything was sent: all of it is durable when this answers',
      tags,
      params: uploadParams,
      response: { 200: uploadView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await asking(request).uploads.complete(request.params.id)),
  })
  app.route({
    method: 'DELETE',
    url: '/v1/uploads/:id',
    schema: {
      operationId: 'dropUpload',
      summary: 'Drop an upload and what it brought',
      tags,
      params: uploadParams,
      response: { 204: nothing.describe('It is gone.'), ...problemAnswer },
    },
    handler: async (request, reply) => {
      await asking(request).uploads.drop(request.params.id)
      return reply.code(204).send()
    },
  })
}

function queryRoutes(app: App, { door }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/uploads',
    schema: {
      operationId: 'uploads',
      summary: 'Uploads that are held, newest first, and contents that none of them names',
      tags,
      response: { 200: uploadList, ...problemAnswer },
    },
    handler: async (_request, reply) => {
      const { uploads } = door
      return reply.send({ items: uploads.list(), loose: await uploads.loose() })
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/uploads/:id',
    schema: {
      operationId: 'upload',
      summary: 'One upload',
      tags,
      params: uploadParams,
      response: { 200: uploadView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.uploads.get(request.params.id)),
  })
  app.route({
    method: 'GET',
    url: '/v1/uploads/:id/missing',
    schema: {
      operationId: 'missingBlobs',
      summary: 'Contents that are missing, and how much of each is here',
      tags,
      params: uploadParams,
      querystring: missingQuery,
      response: { 200: missingPage, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { after, limit } = request.query
      return reply.send(await door.uploads.missing(request.params.id, after ?? null, limit))
    },
  })
}

function blobRoutes(app: App, { door, asking }: RouteContext): void {
  app.route({
    method: 'HEAD',
    url: '/v1/uploads/:id/blobs/:digest',
    schema: {
      operationId: 'blob',
      summary: 'How much of a content is here: Upload-Offset of Upload-Length',
      tags,
      params: blobParams,
      response: { 200: nothing.describe('Said in the headers.'), ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { id, digest } = request.params
      const { haveBytes, sizeBytes } = await door.uploads.blob(id, digest)
      return reply.header('upload-offset', haveBytes).header('upload-length', sizeBytes).send(undefined)
    },
  })
  app.route({
    method: 'GET',
    url: '/v1/uploads/:id/blobs/:digest',
    schema: {
      operationId: 'blobView',
      summary: 'The same as JSON',
      tags,
      params: blobParams,
      response: { 200: blobView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await door.uploads.blob(request.params.id, request.params.digest)),
  })
  app.route({
    method: 'PUT',
    url: '/v1/uploads/:id/blobs/:digest',
    config: streamed,
    schema: {
      operationId: 'putBlob',
      summary: 'Send a content, or from where it stands on with Content-Range',
      tags,
      params: blobParams,
      response: { 200: blobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { id, digest } = request.params
      return reply.send(await putBlob(asking(request).uploads, id, digest, request))
    },
  })
}

function looseRoutes(app: App, { asking }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/sites/:site/blobs',
    config: streamed,
    schema: {
      operationId: 'putContent',
      summary: 'Send a content of unknown length; the answer names it, for a manifest',
      tags,
      params: siteParams,
      response: { 201: blobView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const check = representationCheck(request.headers['repr-digest'], bodyOf(request))
      return reply.code(201).send(await asking(request).uploads.putContent(request.params.site, bodyOf(request), check))
    },
  })
  app.route({
    method: 'DELETE',
    url: '/v1/sites/:site/blobs',
    schema: {
      operationId: 'dropLoose',
      summary: 'Drop contents of a site that no upload names and no job needs; the answer says what went',
      tags,
      params: siteParams,
      response: { 200: looseView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await asking(request).uploads.dropLoose(request.params.site)),
  })
}

async function putBlob(uploads: UploadsDoor, id: string, digest: string, request: FastifyRequest) {
  const { headers } = request
  const { offset, lengthBytes, sizeBytes: said } = contentRangeOf(headers['content-range'], headers['content-length'])
  const { sizeBytes } = await uploads.blob(id, digest)
  const end = offset + (lengthBytes ?? 0)
  if ((said !== null && said !== sizeBytes) || end > sizeBytes) {
    const why = `the manifest says ${sizeBytes} bytes`
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the length of this content', why })
  }
  return uploads.putBlob(id, digest, { offset, body: bodyOf(request) })
}
