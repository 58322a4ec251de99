// Files on their way: one reader each, the last piece only when all is well, nobody waits for ever.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { FILE_BEGIN_MS, FILE_IDLE_MS, LOOK_MS } from '../../../src/base/file-limits.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { withBytesKept } from '../../../src/control/routes/files.js'
import { Looking } from '../../../src/coordinator/looking.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const scene = () => {
  const clock = new ManualClock()
  const told: FromCoordinator[] = []
  const address = { host: '127.0.0.1', port: 1 }
  const identity = { id: 'a'.repeat(32), name: 'n1', groups: ['edge'], segment: 'here', dataAddress: address }
  const known = new KnownNode(identity, [], 0)
  known.link = { send: (message) => void told.push(message), close: () => {} }
  const closing = new AbortController()
  const roster = { all: [known] }
  const looking = new Looking(() => ({ clock, closing: closing.signal, roster }) as unknown as World)
  const last = <T extends FromCoordinator['type']>(type: T) => {
    const message = told.findLast((each) => each.type === type)
    if (message === undefined) throw new Error(`no ${type} was told`)
    return message as Extract<FromCoordinator, { type: T }>
  }
  return { clock, known, looking, closing, last }
}
const look = { node: 'n1', site: 'www', release: null, path: 'a', list: null }
const fetch = { node: 'n1', site: 'www', release: 1, path: 'a', version: 'v', offset: 0, lengthBytes: 6 }
const entry = { name: 'a', kind: 'file', mode: '644', sizeBytes: 6, mtimeNs: '1' } as const
const found = { release: 1, entry: { ...entry, target: null, digest: null, version: 'v' }, entries: null, next: null }
const error = { code: 'ENGINE_ERR_PATH_UNKNOWN', message: 'none', hint: 'look elsewhere' }

t.test('a question is answered by the node that was asked, once', async (t) => {
  const { looking, last, known } = scene()
  const asked = looking.look(look)
  const { lookId } = last('look')
  looking.looked('b'.repeat(32), { type: 'looked', lookId, found: null, error })
  looking.looked(known.identity.id, { type: 'looked', lookId, found, error: null })
  looking.looked(known.identity.id, { type: 'looked', lookId, found: null, error })
  t.strictSame(await asked, { node: 'n1', site: 'www', ...found })
  const refused = looking.look(look)
  looking.looked(known.identity.id, { type: 'looked', lookId: last('look').lookId, found: null, error })
  await t.rejects(refused, { code: 'ENGINE_ERR_PATH_UNKNOWN', message: 'none' })
})

t.test('nobody waits for a node that is unknown, away, lost or silent', async (t) => {
  const { looking, known, clock, closing } = scene()
  await t.rejects(looking.look({ ...look, node: 'n2' }), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  const lost = [looking.look(look), looking.fetch(fetch)]
  looking.lost(known)
  for (const each of lost) await t.rejects(Promise.resolve<unknown>(each), { code: 'ENGINE_ERR_NODE_LOST' })
  const late = [looking.look(look), looking.fetch(fetch)]
  clock.advance(Math.max(LOOK_MS, FILE_BEGIN_MS))
  for (const each of late) await t.rejects(Promise.resolve<unknown>(each), { code: 'ENGINE_ERR_TIMEOUT' })
  const closed = looking.fetch(fetch)
  closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
  await t.rejects(closed, { code: 'ENGINE_ERR_CLOSING' })
  known.link = null
  await t.rejects(looking.look(look), { code: 'ENGINE_ERR_NODE_LOST' })
})

t.test('a file is brought once, under the name that was told', async (t) => {
  const { looking, last } = scene()
  const asked = looking.fetch(fetch)
  const { transferId } = last('send')
  await t.rejects(looking.receive('f'.repeat(32), Readable.from(['x'])), { code: 'ENGINE_ERR_TRANSFER_UNKNOWN' })
  const received = looking.receive(transferId, Readable.from([Buffer.from('con'), Buffer.from('ten')]))
  const body = await asked
  await t.rejects(looking.receive(transferId, Readable.from(['evil'])), { code: 'ENGINE_ERR_TRANSFER_UNKNOWN' })
  t.equal((await buffer(body)).toString(), 'conten')
  await received
  await t.rejects(looking.receive(transferId, Readable.from(['x'])), { code: 'ENGINE_ERR_TRANSFER_UNKNOWN' })
})

t.test('a file that is shorter, longer or breaks off never ends well for its reader', async (t) => {
  async function* breaking(): AsyncGenerator<Buffer> {
    yield Buffer.from('conten')
    throw new Error('cut')
  }
  for (const source of [['con'], ['content'], breaking()]) {
    const { looking, last } = scene()
    const asked = looking.fetch(fetch)
    const received = looking.receive(last('send').transferId, Readable.from(source as Iterable<string>))
    received.catch(() => {})
    await t.rejects(buffer(await asked))
    await t.rejects(received)
  }
})

t.test('a node that says it does not send is believed, before and after it began', async (t) => {
  const { looking, last, known } = scene()
  const never = looking.fetch(fetch)
  looking.unsent('b'.repeat(32), { type: 'unsent', transferId: last('send').transferId, error })
  looking.unsent(known.identity.id, { type: 'unsent', transferId: last('send').transferId, error })
  await t.rejects(never, { code: 'ENGINE_ERR_PATH_UNKNOWN' })
})

t.test('a file of which nothing moves is given up', async (t) => {
  const { looking, last, clock } = scene()
  const asked = looking.fetch(fetch)
  const received = looking.receive(last('send').transferId, new Readable({ read() {} }))
  received.catch(() => {})
  const body = await asked
  clock.advance(2 * FILE_IDLE_MS)
  await t.rejects(received, { code: 'ENGINE_ERR_TIMEOUT' })
  await until('the body ends', async () => body.destroyed)
})

t.test('in the path of a file an escape stays a byte; other paths are left alone', async (t) => {
  t.equal(withBytesKept('/v1/nodes/n/files/www/a%FF/b?stat&after=%41'), '/v1/nodes/n/files/www/a%25FF/b?stat&after=%41')
  for (const url of ['/v1/nodes', '/v1/jobs/%41', '/v1/nodes/n/files/www', '*', '']) t.equal(withBytesKept(url), url)
})
