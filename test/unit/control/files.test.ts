// Goal: files of nodes over HTTP as RFC 9110 has them: what HEAD, ranges and ETags say is what the file is, and bytes
// that come coded are not taken for the file. Method: injected requests against a door of one file in memory.
import { Readable } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import type { FilesDoor } from '../../../src/control/door/files.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { buildServer } from '../../../src/control/server.js'
import type { FileEntry } from '../../../src/model/file.js'
import { FakeDoor } from '../../support/fake-door.js'

const content = 'hello world'
const file: FileEntry = {
  ...{ name: 'a', kind: 'file', mode: '644', sizeBytes: content.length, mtimeNs: '1', target: null },
  ...{ digest: 'a'.repeat(64), version: '1-2-3' },
}
const directory: FileEntry = { ...file, kind: 'dir', digest: null, version: null }
const etag = `"${'a'.repeat(64)}"`

const build = async (t: { teardown(run: () => unknown): void }) => {
  const fetched: string[] = []
  const files: FilesDoor = {
    look: async ({ node, site, path, list }) => {
      if (path === 'none') throw new EngineError('ENGINE_ERR_PATH_UNKNOWN', { path })
      const entry = path === 'a' ? file : directory
      const entries = list !== null && entry.kind === 'dir' ? [file] : null
      return { node, site, release: 7, entry, entries, next: null }
    },
    fetch: async ({ offset, lengthBytes }) => {
      fetched.push(`${offset}+${lengthBytes}`)
      return Readable.from([Buffer.from(content.slice(offset, offset + lengthBytes))])
    },
    receive: async () => {},
  }
  const door = Object.assign(new FakeDoor(), { files })
  const options = { door, host: '127.0.0.1', log: silentLogger, clock: systemClock, metrics: createMetrics() }
  const { app } = await buildServer(options)
  t.teardown(() => app.close())
  const ask = (method: 'GET' | 'HEAD', path: string, headers = {}) =>
    app.inject({ method, url: `/v1/nodes/n1/files/www/${path}`, headers })
  return { app, ask, fetched }
}

t.test('HEAD says of a file what GET does, and has no byte of it fetched', async (t) => {
  const { ask, fetched } = await build(t)
  const got = await ask('GET', 'a')
  t.match([got.statusCode, got.body, got.headers['content-length']], [200, content, '11'])
  const head = await ask('HEAD', 'a', { range: 'bytes=0-1' })
  t.match([head.statusCode, head.body], [200, ''])
  for (const name of ['content-length', 'content-type', 'etag', 'accept-ranges', 'distributary-release'])
    t.equal(String(head.headers[name]), String(got.headers[name]), name)
  t.strictSame(fetched, ['0+11'])
})

t.test('HEAD of a directory and of nothing says what GET does', async (t) => {
  const { ask } = await build(t)
  for (const path of ['d', 'none', 'a?stat']) {
    const [got, head] = [await ask('GET', path), await ask('HEAD', path)]
    t.equal(head.statusCode, got.statusCode, path)
    t.equal(head.headers['content-type'], got.headers['content-type'], path)
    t.equal(head.headers['content-length'], got.headers['content-length'], path)
    t.equal(head.body, '', path)
  }
})

t.test('a range that is not in the file is refused with how long that is', async (t) => {
  const { ask } = await build(t)
  const part = await ask('GET', 'a', { range: 'bytes=6-' })
  t.match([part.statusCode, part.body, part.headers['content-range']], [206, 'world', 'bytes 6-10/11'])
  const beyond = await ask('GET', 'a', { range: 'bytes=11-' })
  t.match([beyond.statusCode, beyond.headers['content-range']], [416, 'bytes */11'])
  t.equal((await ask('GET', 'a')).headers['content-range'], undefined)
})

t.test('what is known is not sent again', async (t) => {
  const { ask, fetched } = await build(t)
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await ask(method, 'a', { 'if-none-match': known })
      t.match([answer.statusCode, answer.body, answer.headers.etag], [304, '', etag], `${method} ${known}`)
    }
  }
  t.strictSame(fetched, [])
  t.equal((await ask('GET', 'a', { 'if-none-match': '"x"' })).statusCode, 200)
})

t.test('bytes that are coded are not taken for the file', async (t) => {
  const { app } = await build(t)
  const put = (coding: string) =>
    app.inject({
      method: 'PUT',
      url: '/v1/sites/www/files/a',
      headers: { 'content-encoding': coding, 'content-type': 'application/octet-stream' },
      payload: 'x',
    })
  t.match((await put('gzip')).json(), { status: 415, code: 'ENGINE_ERR_MEDIA_TYPE', detail: /gzip/ })
  t.equal((await put('identity')).statusCode, 202)
})

t.test('the description of the API says what travels', async (t) => {
  const { app } = await build(t)
  const { paths } = app.swagger() as unknown as { paths: Record<string, Record<string, object>> }
  t.match(paths['/v1/nodes/{name}/files/{site}/{*}'], {
    get: {
      responses: {
        200: { content: { 'application/json': {}, 'application/octet-stream': {} } },
        206: { content: { 'application/octet-stream': {} } },
        304: {},
      },
    },
    head: { operationId: 'file-head' },
  })
  for (const path of ['/v1/sites/{site}/files/{*}', '/v1/transfers/{id}'])
    t.match(paths[path], { put: { requestBody: { content: { 'application/octet-stream': {} } } } }, path)
})
