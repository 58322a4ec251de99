import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { EngineError } from '../../base/errors.js'
import { etagOf, type FileView } from '../../model/file.js'
import { byteRangeOf } from '../byte-range.js'
import type { FilesDoor } from '../door/files.js'
import {
  fileBytes,
  fileParams,
  type FileQuery,
  fileQuery,
  fileRootParams,
  fileView,
  transferParams,
} from '../schema/file.js'
import { type App, problemAnswer, type RouteContext } from './context.js'
import { bodyOf, streamed, takeBodiesAsTheyCome } from './uploads.js'

const tags = ['files']

/** What nodes have on disk: directories as pages, files as bytes. And where nodes bring those bytes. */
export function fileRoutes(app: App, context: RouteContext): void {
  lookRoutes(app, context)
  void app.register(async (scope) => {
    takeBodiesAsTheyCome(scope, context)
    transferRoutes(scope, context)
  })
}

/**
 * Names are bytes, and a router takes them for text: in the path of a file an escape is kept as it was sent. Pure.
 * `/v1/nodes/n/files/www/a%FF` is routed as `…/a%25FF`.
 */
export function withBytesKept(url: string): string {
  const [, before, path, after] =
    /^(\/v1\/(?:nodes\/[^/?]+\/files\/[^/?]+|sites\/[^/?]+\/files)\/)([^?]*)(.*)$/s.exec(url) ?? []
  if (before === undefined || path === undefined) return url
  return `${before}${path.replaceAll('%', '%25')}${after}`
}

const found = {
  200: {
    description: 'A directory, or with `stat` or `list` whatever it is, as JSON; a file as its bytes.',
    content: { 'application/json': { schema: fileView }, 'application/octet-stream': { schema: fileBytes } },
  },
  206: { description: 'The range.', content: { 'application/octet-stream': { schema: fileBytes } } },
  304: z.undefined().describe('It is what If-None-Match names.'),
  ...problemAnswer,
} as const

function lookRoutes(app: App, { door }: RouteContext): void {
  const operations = [
    ['GET', 'What a node has at a path of a release: a directory as JSON, a file as its bytes'],
    ['HEAD', 'The same without the bytes: how many they are, and their ETag'],
  ] as const
  for (const [method, summary] of operations) {
    app.route({
      method,
      url: '/v1/nodes/:name/files/:site/*',
      schema: {
        operationId: 'file',
        summary,
        description:
          'Escapes (%XX) stand for bytes. A file takes Range, If-Range and If-None-Match; its ETag is the digest of ' +
          'what was published, where it looks like that. With `stat` only what it is.',
        tags,
        params: fileParams,
        querystring: fileQuery,
        response: found,
      },
      handler: async (request, reply) => {
        const { name: node, site, '*': path } = request.params
        return answer({ files: door.files, request, reply }, { node, site, path }, request.query)
      },
    })
  }
  app.route({
    method: 'GET',
    url: '/v1/nodes/:name/files/:site',
    schema: {
      operationId: 'siteFiles',
      summary: 'The topmost directory of a release on a node',
      tags,
      params: fileRootParams,
      querystring: fileQuery,
      response: { 200: fileView, ...problemAnswer },
    },
    handler: async (request, reply) => {
      const { name: node, site } = request.params
      return answer({ files: door.files, request, reply }, { node, site, path: '' }, request.query)
    },
  })
}

interface Exchange {
  readonly files: FilesDoor
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}
interface Where {
  readonly node: string
  readonly site: string
  readonly path: string
}

async function answer(exchange: Exchange, where: Where, query: FileQuery): Promise<FastifyReply> {
  const { files, reply } = exchange
  const { release = null, stat, after = null, limit, list: isList } = query
  const list = stat === undefined ? { after, limit } : null
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the file' })))
  const view = await files.look({ ...where, release, list }, gone.signal)
  if (list === null || isList !== undefined || view.entry.kind === 'dir') return reply.send(view)
  return giveFile(exchange, where, view, gone.signal)
}

/** Content of sites is others': no browser may take it for a page of this origin. */
const inert = {
  'content-type': 'application/octet-stream',
  'content-disposition': 'attachment',
  'content-security-policy': "sandbox; default-src 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
  'accept-ranges': 'bytes',
}

async function giveFile(
  { files, request, reply }: Exchange,
  where: Where,
  { release, entry }: FileView,
  signal: AbortSignal,
): Promise<FastifyReply> {
  const { kind, sizeBytes, version } = entry
  const { path } = where
  if (kind !== 'file' || version === null) throw new EngineError('ENGINE_ERR_NOT_A_FILE', { path, kind })
  const etag = etagOf(entry)
  const facts = { ...inert, etag, 'distributary-release': release }
  const { range, 'if-range': ifRange, 'if-none-match': known } = request.headers
  if (isNamed(known, etag)) return reply.code(304).headers(facts).send()
  // A range is of GET alone (RFC 9110 section 14.2).
  if (request.method === 'HEAD') return reply.headers({ ...facts, 'content-length': sizeBytes }).send()
  const said = { range, ifRange: typeof ifRange === 'string' ? ifRange : undefined }
  void reply.header('content-range', `bytes */${sizeBytes}`)
  const { offset, lengthBytes, isPart } = byteRangeOf(said, { sizeBytes, etag })
  void reply.removeHeader('content-range')
  const body = await files.fetch({ ...where, release, version, offset, lengthBytes }, signal)
  void reply.headers({ ...facts, 'content-length': lengthBytes })
  if (isPart) void reply.code(206).header('content-range', `bytes ${offset}-${offset + lengthBytes - 1}/${sizeBytes}`)
  return reply.send(body)
}

/** Whether `If-None-Match` names it, weakly or not. Pure. */
const isNamed = (known: string | undefined, etag: string): boolean =>
  (known ?? '').split(',').some((each) => ['*', etag].includes(each.trim().replace(/^W\//, '')))

function transferRoutes(app: App, { asking }: RouteContext): void {
  app.route({
    method: 'PUT',
    url: '/v1/transfers/:id',
    config: streamed,
    schema: {
      operationId: 'bringFile',
      summary: 'A node brings a file that it was asked for, once, under the name it was told',
      tags,
      params: transferParams,
      response: { 204: z.undefined().describe('It was passed on.'), ...problemAnswer },
    },
    handler: async (request, reply) => {
      await asking(request).files.receive(request.params.id, bodyOf(request))
      return reply.code(204).send()
    },
  })
}
