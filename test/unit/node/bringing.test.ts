// Goal: a file that is brought ends properly only when all of it came and the coordinator has it; else the other side
// sees it break off. Method: a real server, which takes it, refuses it, hangs up, or does not read.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { FILE_PIECE_BYTES } from '../../../src/base/file-limits.js'
import { bringer } from '../../../src/node/bringing.js'
import { until } from '../../support/until.js'

const transferId = 'b'.repeat(32)
const never = new AbortController().signal

async function bringing(t: { teardown(run: () => unknown): void }, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return bringer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

async function* pieces(count: number, onPiece: (index: number) => void = () => {}): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    onPiece(i)
    yield Buffer.alloc(FILE_PIECE_BYTES, i)
  }
}

t.test('all of it comes in one request, and is over when that is answered', async (t) => {
  let [url, length] = ['', 0]
  const bring = await bringing(t, (request, answer) => {
    url = `${request.method} ${request.url}`
    void buffer(request).then((bytes) => {
      length = bytes.length
      answer.writeHead(204).end()
    })
  })
  await bring(transferId, pieces(5), never)
  t.equal(url, `PUT /v1/transfers/${transferId}`)
  t.equal(length, 5 * FILE_PIECE_BYTES)
  await bring(transferId, pieces(0), never)
  t.equal(length, 0, 'nothing is a file, too')
})

t.test('nobody waits for it: that is told, and no more is read', async (t) => {
  const bring = await bringing(t, (_request, answer) => void answer.writeHead(404, { connection: 'close' }).end())
  let read = 0
  const all = pieces(1000, () => void (read += 1))
  await t.rejects(bring(transferId, all, never))
  t.ok(read < 1000, `${read} pieces were read`)
})

t.test('it is over only when no piece is being read: then the file of the pieces is closed', async (t) => {
  let isCut = false
  const bring = await bringing(t, (request, answer) => {
    request.socket.once('close', () => (isCut = true))
    answer.writeHead(404).end()
  })
  let isReading = false
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1)
    isReading = true
    await until('the request is given up', () => isCut)
    isReading = false
    yield Buffer.alloc(1)
  }
  await t.rejects(bring(transferId, slow(), never), { code: 'ENGINE_ERR_TRANSFER_UNKNOWN' })
  t.notOk(isReading)
})

t.test('what fails while it is read ends without a proper end', async (t) => {
  const ends: string[] = []
  const bring = await bringing(t, (request) => {
    request.resume()
    request.on('end', () => ends.push('whole'))
    request.on('error', () => ends.push('cut'))
  })
  const changed = new Error('it changed')
  const bad = pieces(3, (index) => {
    if (index === 2) throw changed
  })
  await t.rejects(bring(transferId, bad, never), changed)
  await until('the other side sees it', () => ends.length > 0)
  t.strictSame(ends, ['cut'])
})

t.test('a coordinator that hangs up, or a node that closes, ends it', async (t) => {
  const cut = await bringing(t, (request) => void request.socket.destroy())
  await t.rejects(cut(transferId, pieces(1000), never))
  const stuck = await bringing(t, () => {})
  const stop = new AbortController()
  const brought = stuck(transferId, pieces(1000), stop.signal)
  stop.abort(new Error('closing'))
  await t.rejects(brought)
})

t.test('of a coordinator that does not read, no more is taken than lies in between', async (t) => {
  let read = 0
  const bring = await bringing(t, () => {})
  const stop = new AbortController()
  const brought = bring(
    transferId,
    pieces(10_000, () => void (read += 1)),
    stop.signal,
  )
  brought.catch(() => {})
  let before = -1
  await until('nothing is read any more', () => {
    const isStill = read > 0 && read === before
    before = read
    return isStill
  })
  t.ok(read < 200, `${read} pieces of ${FILE_PIECE_BYTES} bytes`)
  stop.abort(new Error('enough'))
  await t.rejects(brought)
})
