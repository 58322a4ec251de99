// A whole node against a real control plane and a real relay that decide nothing: content arrives byte
// for byte, what was fetched is not fetched again after a restart, and what is owed is told until it is
// acknowledged.
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../src/base/clock.js'
import { LINK_CHECK_MS } from '../../src/base/limits.js'
import { createLogger } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import type { FromCoordinator } from '../../src/control/schema/channel.js'
import { Node, type NodeOptions } from '../../src/node.js'
import { encodeRecord } from '../../src/node/journal.js'
import { FakeCoordinator } from '../support/fake-coordinator.js'
import { until } from '../support/until.js'

interface Place {
  testdir(): string
  teardown(run: () => unknown): void
}

const setUp = async (t: Place) => {
  const directory = t.testdir()
  const coordinator = await FakeCoordinator.open(join(directory, 'coordinator'))
  t.teardown(() => coordinator.close())
  const options = {
    join: coordinator.server.url,
    dataDir: join(directory, 'node'),
    name: 'ams-1',
    groups: ['edge'],
    segment: 'ams',
  }
  const open = async (more: Partial<NodeOptions> = {}): Promise<Node> => {
    const node = await Node.open({ ...options, ...more })
    t.teardown(() => node.close())
    return node
  }
  const live = (name: string): Promise<Buffer> => readFile(join(options.dataDir, 'sites/www/live', name))
  return { coordinator, open, live, options }
}

/** Bytes that do not compress, the same each time. */
const noise = (length: number, seed: number): Buffer => seededRandom(seed).bytes(length)

t.test('a release is fetched, staged, switched to, and the next one travels as a difference', async (t) => {
  const { coordinator, open, live } = await setUp(t)
  const node = await open()
  await node.ready()
  const joined = await coordinator.joined()
  t.match(joined.hello.node, { id: node.id, name: 'ams-1', groups: ['edge'], segment: 'ams' })
  const big = noise(400_000, 1)
  const one = await coordinator.pack(1, { 'index.html': 'one', 'img/big.bin': big })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send(coordinator.stageOf(one))
  const staged = await coordinator.reported(joined, 'completion', 'publish')
  t.match(staged, { release: 1, treeHash: one.treeHash })
  t.ok(staged.bytesFetched >= one.streamBytes, 'all of it was fetched')
  await t.rejects(live('index.html'), { code: 'ENOENT' }, 'nothing is shown before the commit')
  joined.link.send(coordinator.commitOf(one))
  await coordinator.reported(joined, 'completion', 'commit')
  t.equal((await live('index.html')).toString(), 'one')
  t.ok(big.equals(await live('img/big.bin')))

  const two = await coordinator.pack(2, { 'index.html': 'two', 'img/big.bin': big }, { base: one })
  t.ok(two.streamBytes < 10_000, 'what is unchanged does not travel')
  coordinator.offer(two)
  coordinator.vouch(two)
  joined.link.send(coordinator.stageOf(two, one))
  joined.link.send(coordinator.commitOf(two))
  await until('it is live', () => node.sites[0]?.live?.release === 2)
  t.equal((await live('index.html')).toString(), 'two')
  t.strictSame(
    node.sites[0]?.held.map(({ release }) => release),
    [1, 2],
  )
})

t.test('a node that comes back goes on where it stood', async (t) => {
  const { coordinator, open, live } = await setUp(t)
  const first = await open()
  const joined = await coordinator.joined()
  const big = noise(6_000_000, 2)
  const one = await coordinator.pack(1, { 'big.bin': big }, { chunkBytes: 4096 })
  t.ok(one.vouches.length > 1, 'it is vouched for in batches')
  coordinator.offer(one)
  coordinator.vouch(one, 0, one.vouches.length - 1)
  joined.link.send(coordinator.stageOf(one))
  let had = 0
  await until('it has all that was vouched for', () => {
    for (const message of joined.messages) if (message.type === 'progress') had = Math.max(had, message.bytesHave)
    return had > one.streamBytes / 4
  })
  await first.close()

  const second = await open()
  t.equal(second.id, first.id)
  const again = await coordinator.joined(2)
  again.link.send(coordinator.stageOf(one))
  coordinator.vouch(one, one.vouches.length - 1)
  const staged = await coordinator.reported(again, 'completion', 'publish')
  t.ok(staged.bytesFetched < one.streamBytes, `${staged.bytesFetched} of ${one.streamBytes}, had ${had}`)
  again.link.send(coordinator.commitOf(one))
  await coordinator.reported(again, 'completion', 'commit')
  t.ok(big.equals(await live('big.bin')))
})

t.test('reports are told until they are acknowledged, over restarts of either side', async (t) => {
  const { coordinator, open } = await setUp(t)
  const first = await open()
  const joined = await coordinator.joined()
  const one = await coordinator.pack(1, { 'index.html': 'one' })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send(coordinator.stageOf(one))
  const receipt = await coordinator.reported(joined, 'receipt', 'publish')
  const completion = await coordinator.reported(joined, 'completion', 'publish')
  joined.link.send({ type: 'ack', reportId: receipt.reportId })
  await until('one is owed', () => first.reportsOwed === 1)
  await first.close()

  const second = await open()
  const back = await coordinator.joined(2)
  t.strictSame(back.hello.sites, [{ site: 'www', live: null, held: [{ release: 1, treeHash: one.treeHash }] }])
  t.strictSame(await coordinator.reported(back, 'completion', 'publish'), completion)
  t.notOk(back.messages.some((message) => message.type === 'report' && message.kind === 'receipt'))

  await coordinator.restart()
  const third = await coordinator.joined(3)
  t.strictSame(await coordinator.reported(third, 'completion', 'publish'), completion)
  third.link.send({ type: 'ack', reportId: completion.reportId })
  await until('nothing is owed', () => second.reportsOwed === 0)
  await coordinator.restart()
  const fourth = await coordinator.joined(4)
  // An order with an answer behind what would have been told.
  fourth.link.send(coordinator.commitOf(one))
  await coordinator.reported(fourth, 'completion', 'commit')
  t.notOk(fourth.messages.some((message) => message.type === 'report' && message.command === 'publish'))
})

t.test('a commit for what it does not hold is answered, and it takes the next order', async (t) => {
  const { coordinator, open } = await setUp(t)
  await open()
  const joined = await coordinator.joined()
  const one = await coordinator.pack(1, { 'index.html': 'one' })
  joined.link.send(coordinator.commitOf(one))
  t.match(await coordinator.reported(joined, 'failure', 'commit'), { error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send(coordinator.stageOf(one))
  await coordinator.reported(joined, 'completion', 'publish')
})

t.test('a commit of what it holds does not wait for what is being fetched, and stops it', async (t) => {
  const { coordinator, open, live, options } = await setUp(t)
  await open()
  const joined = await coordinator.joined()
  const one = await coordinator.pack(1, { 'index.html': 'one' })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send(coordinator.stageOf(one))
  await coordinator.reported(joined, 'completion', 'publish')
  // Nothing of it is vouched for: it could be fetched for ever.
  const two = await coordinator.pack(2, { 'index.html': 'two' })
  coordinator.offer(two)
  joined.link.send(coordinator.stageOf(two))
  const fetched = join(options.dataDir, 'assignments', `${two.assignmentId}.stream`)
  await until('it is being fetched', () => existsSync(fetched))
  joined.link.send(coordinator.commitOf(one))
  await coordinator.reported(joined, 'completion', 'commit')
  t.equal((await live('index.html')).toString(), 'one')
  const stopped = await coordinator.reported(joined, 'failure', 'publish')
  t.match(stopped, { release: 2, error: { code: 'ENGINE_ERR_CANCELLED' } })
  t.notOk(existsSync(fetched))
})

t.test('a stream that is not what the header promises is refused, and nothing is staged', async (t) => {
  const { coordinator, open, options } = await setUp(t)
  const node = await open()
  const joined = await coordinator.joined()
  const one = await coordinator.pack(1, { 'index.html': 'one' })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send({ ...coordinator.stageOf(one), treeHash: 'e'.repeat(64) })
  t.match(await coordinator.reported(joined, 'failure', 'publish'), { error: { code: 'ENGINE_ERR_TREE_MISMATCH' } })
  t.strictSame(node.sites, [])
  t.strictSame(await readdir(join(options.dataDir, 'sites/www/releases')), [])
})

t.test('a live link that vanishes while a node runs is missed and made again, with nothing removed', async (t) => {
  const { coordinator, open, live, options } = await setUp(t)
  const often = (ms: number): number => (ms === LINK_CHECK_MS ? 20 : ms)
  const clock = {
    ...systemClock,
    setInterval: (ms: number, run: () => void) => systemClock.setInterval(often(ms), run),
  }
  const node = await open({ clock })
  const joined = await coordinator.joined()
  const one = await coordinator.pack(1, { 'index.html': 'one' })
  coordinator.offer(one)
  coordinator.vouch(one)
  joined.link.send(coordinator.stageOf(one))
  joined.link.send(coordinator.commitOf(one))
  await until('it is live', () => node.sites[0]?.live?.release === 1)
  const [link, releases] = [join(options.dataDir, 'sites/www/live'), join(options.dataDir, 'sites/www/releases')]
  const told = (from: number) =>
    joined.messages.slice(from).findLast((message) => message.type === 'holdings')?.sites[0]
  const isMissed = (from: number): boolean => told(from)?.live === null && told(from)?.held[0]?.release === 1
  await until('it is told as live', () => told(0)?.live?.release === 1)
  const first = joined.messages.length
  await rm(link)
  await until('it is told', () => isMissed(first))
  joined.link.send(coordinator.commitOf(one))
  await until('it is live again', () => node.sites[0]?.live?.release === 1)
  t.equal((await live('index.html')).toString(), 'one')

  const second = joined.messages.length
  await rm(link)
  await mkdir(join(link, 'precious'), { recursive: true })
  await until('it is told too', () => isMissed(second))
  t.strictSame([await readdir(link), await readdir(releases)], [['precious'], ['1']], 'nothing is removed')
})

t.test('another coordinator at the old address is not obeyed', async (t) => {
  const { coordinator, open, options } = await setUp(t)
  const first = await open()
  await first.ready()
  await coordinator.joined()
  await first.close()
  const other = await FakeCoordinator.open(`${options.dataDir}-other`)
  t.teardown(() => other.close())
  Object.assign(other.door, { coordinatorId: 'f'.repeat(32) })
  const second = await open({ join: other.server.url })
  await t.rejects(second.ready(), { code: 'ENGINE_ERR_COORDINATOR_CHANGED' })
  t.notOk(second.isConnected)
})

const hasKey = (dataDir: string): Promise<true> =>
  until('the key is written down', async () => (await readFile(join(dataDir, 'journal'))).includes('publicKey'))

t.test('who has the name of its coordinator but not its key is not obeyed', async (t) => {
  const { coordinator, open, options } = await setUp(t)
  const first = await open()
  await first.ready()
  await hasKey(options.dataDir)
  await first.close()
  const other = await FakeCoordinator.open(`${options.dataDir}-other`)
  t.teardown(() => other.close())
  t.equal(other.door.coordinatorId, coordinator.door.coordinatorId)
  const second = await open({ join: other.server.url })
  await t.rejects(second.ready(), { code: 'ENGINE_ERR_COORDINATOR_CHANGED', message: /but another key/ })
  t.notOk(second.isConnected)
  await second.close()
  await (await open()).ready()
})

t.test('a journal without the key of its coordinator takes the first that is seen', async (t) => {
  const { coordinator, open, options } = await setUp(t)
  await mkdir(options.dataDir)
  const joined = { type: 'joined', coordinatorId: coordinator.door.coordinatorId }
  await writeFile(join(options.dataDir, 'journal'), encodeRecord(JSON.stringify(joined)))
  await (await open()).ready()
  await hasKey(options.dataDir)
})

t.test('a name that is taken is said to who waits, and once in the log', async (t) => {
  const { coordinator, open, options } = await setUp(t)
  await (await open()).ready()
  await coordinator.joined()
  const lines: { readonly err?: { readonly code: string } }[] = []
  const destination = new Writable({
    write: (text: Buffer, _encoding, done) => {
      lines.push(JSON.parse(text.toString()) as { err?: { code: string } })
      done()
    },
  })
  const log = createLogger({ level: 'warn', format: 'json', destination })
  const second = await open({ dataDir: `${options.dataDir}-2`, log })
  await t.rejects(second.ready(), { code: 'ENGINE_ERR_NODE_NAME_TAKEN' })
  t.match(lines, [{ level: 'error', err: { code: 'ENGINE_ERR_NODE_NAME_TAKEN' } }])
  t.equal(lines.length, 1)
})

t.test('a node opens without its coordinator and waits for it as long as it is asked to', async (t) => {
  const { coordinator, open } = await setUp(t)
  await coordinator.server.close()
  const node = await open()
  const controller = new AbortController()
  const waiting = node.ready({ signal: controller.signal })
  controller.abort()
  await t.rejects(waiting, { code: 'ENGINE_ERR_CANCELLED' })
  const closed = t.rejects(node.ready(), { code: 'ENGINE_ERR_CLOSING' })
  await Promise.all([node.close(), node.close()])
  await closed
})

t.test('what stands in the way of opening has its own code, and leaves nothing open', async (t) => {
  const { open, options } = await setUp(t)
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const wrong: readonly [Partial<NodeOptions>, string][] = [
    [{ data: { port } }, 'ENGINE_ERR_PORT_IN_USE'],
    [{ data: { host: '203.0.113.9' }, insecure: true }, 'ENGINE_ERR_LISTEN'],
    [{ data: { host: '0.0.0.0' } }, 'ENGINE_ERR_INSECURE_LISTEN'],
    [{ name: '../x' }, 'ENGINE_ERR_INVALID_ARGUMENT'],
    [{ hooks: { reload: { command: ['./reload'] } } }, 'ENGINE_ERR_INVALID_ARGUMENT'],
    [{ groups: ['a', ''] }, 'ENGINE_ERR_INVALID_ARGUMENT'],
    [{ join: '127.0.0.1:7400' }, 'ENGINE_ERR_INVALID_ARGUMENT'],
    [{ dataDir: join(options.dataDir, '../file/node') }, 'ENGINE_ERR_DATA_DIR_UNWRITABLE'],
  ]
  await writeFile(join(options.dataDir, '../file'), 'not a directory')
  for (const [more, code] of wrong) await t.rejects(open(more), { code }, JSON.stringify(more))
  const node = await open()
  await t.rejects(open({ name: 'other' }), { code: 'ENGINE_ERR_DATA_DIR_IN_USE' })
  await node.close()
  await writeFile(join(options.dataDir, 'identity.json'), '{}')
  await t.rejects(open(), { code: 'ENGINE_ERR_IDENTITY_DAMAGED' })
})

t.test(
  'hooks are told, run when they are named, and one that was cut off is answered after the next start',
  async (t) => {
    const { coordinator, open, options } = await setUp(t)
    const hooks: NonNullable<NodeOptions['hooks']> = {
      say: { command: ['echo', '{word}'], arguments: { word: { type: 'string' } } },
      slow: { command: ['sh', '-c', 'touch begun; exec sleep 1000'] },
    }
    const node = await open({ hooks })
    const joined = await coordinator.joined()
    t.match(joined.hello.hooks, [{ name: 'say', arguments: [{ name: 'word' }] }, { name: 'slow' }])
    const order = (number: number, hook: string, args: Record<string, string> = {}): FromCoordinator => ({
      ...{ type: 'execute', commandId: `c${number}`, jobId: 'j', number, after: null, site: 'www' },
      command: { type: 'run-hook', hook, args },
    })
    joined.link.send(order(1, 'say', { word: '$(id) *' }))
    t.match(await coordinator.reported(joined, 'completion', 'run-hook'), { number: 1, output: '$(id) *\n' })
    joined.link.send(order(2, 'slow'))
    await until('it began', () => existsSync(join(options.dataDir, 'begun')))
    await node.close()
    await open({ hooks })
    const again = await coordinator.joined(2)
    again.link.send(order(2, 'slow'))
    const failure = await coordinator.reported(again, 'failure', 'run-hook')
    t.match(failure, { number: 2, error: { code: 'ENGINE_ERR_COMMAND_INTERRUPTED' } })
  },
)

t.test('a signal closes the node', async (t) => {
  const { coordinator, open } = await setUp(t)
  const controller = new AbortController()
  const node = await open({ signal: controller.signal })
  await node.ready()
  const joined = await coordinator.joined()
  controller.abort()
  await until('it is gone', () => joined.closed === 1)
  await t.rejects(open({ signal: controller.signal }))
})

t.test('what fails to close keeps nothing else open', async (t) => {
  const closed: string[] = []
  const failing = (name: string) => async () => {
    closed.push(name)
    throw new Error(`${name} did not close`)
  }
  const node = Node.of('a'.repeat(32), 'ams-1', {
    core: { close: failing('core') },
    relay: { close: failing('relay') },
    limit: { close: () => closed.push('limit') },
    ledger: { close: failing('ledger') },
    lock: { release: () => closed.push('lock') },
  } as unknown as Parameters<typeof Node.of>[2])
  await t.rejects(node.close())
  t.same(closed, ['limit', 'core', 'relay', 'ledger', 'lock'])
})
