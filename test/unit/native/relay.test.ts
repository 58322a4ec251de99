// Goal: a stream goes from a source through the relay into a live release, with every byte checked, and a relay has
// one owner. Method: source and receivers in this process, over loopback; a Node worker for the second owner.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { NodePlan } from '../../../src/model/plan.js'
import { pack, scan } from '../../../src/native/content.js'
import { Relay, type SessionStatus } from '../../../src/native/relay.js'
import { Applying, listReleases, readLive, switchLive } from '../../../src/native/sites.js'
import { key, noise, type Packed, packOptions, packTree, writeTree } from '../../support/assignments.js'
import { until } from '../../support/until.js'

const ofSource: NodePlan = { strandCount: 1, parents: [[]], peers: [] }
const idOf = (digit: string): string => digit.repeat(32)

function openRelay(t: Test, digit: string): Relay {
  const role = digit === '0' ? 'coordinator' : 'node'
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: idOf(digit), name: `relay-${digit}`, role })
  t.teardown(() => relay.close())
  return relay
}

/** A plan of one strand with these ancestors, nearest first. */
function under(...ancestors: readonly (readonly [Relay, string])[]): NodePlan {
  const parents = ancestors.map(([relay, digit]) => ({ nodeId: idOf(digit), host: relay.host, port: relay.port }))
  return { strandCount: 1, parents: [parents], peers: [] }
}

function receiverOptions(root: string, packed: Pick<Packed, 'assignmentId' | 'chunkBytes'>, plan: NodePlan) {
  const { assignmentId, chunkBytes } = packed
  const path = join(root, `${assignmentId}.stream`)
  return { assignmentId, path, vouchPath: `${path}.vouch`, chunkBytes, publicKey: key.publicKey, plan }
}

function sourceOptions({ assignmentId, streamPath, vouchPath, chunkBytes }: Packed) {
  return { assignmentId, path: streamPath, vouchPath, chunkBytes, publicKey: key.publicKey, plan: ofSource }
}

function statusOf(relay: Relay, session: number): SessionStatus {
  const status = relay.poll().find((one) => one.session === session)
  if (!status) throw new Error(`no session ${session}`)
  return status
}

const whole = (relay: Relay, session: number) =>
  until(
    'the stream is complete',
    () => statusOf(relay, session).complete,
    () => JSON.stringify(relay.poll()),
  )

t.test('a rate or weight of nothing is refused: it would be a pause', (t) => {
  const relay = openRelay(t, '0')
  for (const rateBps of [0, -1]) t.throws(() => relay.setRate(rateBps), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  relay.setRate(8_000_000)
  relay.setRate(null)
  const pace = { rateBps: null, weight: 0, isPaused: false }
  const options = { assignmentId: idOf('a'), path: '/dev/null', chunkBytes: 65536, publicKey: key.publicKey, pace }
  t.throws(() => relay.openSource({ ...options, plan: ofSource }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  t.throws(() => relay.setPace(7, { ...pace, weight: 1 }), { code: 'ENGINE_ERR_RELAY_SESSION' })
  t.end()
})

t.test('what is packed at the source goes live at a node that follows it', async (t) => {
  const root = t.testdir({ node: {} })
  const directory = join(root, 'site')
  writeTree(directory, { 'index.html': '<p>hello', 'big.bin': noise(4, 1_500_000) })
  const [source, node] = [openRelay(t, '0'), openRelay(t, '1')]
  const options = packOptions({ directory, release: 1, chunkBytes: 65536 })
  const { treeHash } = scan({ directory, outTreePath: options.treePath, shadowTreePath: null }, () => true)
  const site = join(root, 'node', 'www')
  let session = -1
  const packed = pack(options, ({ assignmentId, chunkBytes, vouch }) => {
    const { publicKey } = key
    if (vouch) source.vouch(session, vouch)
    else session = source.openSource({ assignmentId, path: options.outPath, chunkBytes, publicKey, plan: ofSource })
    return true
  })
  const receiving = receiverOptions(root, packed, under([source, '0']))
  const followed = await node.openReceiver(receiving)
  const applying = new Applying({
    relay: node,
    session: followed,
    streamPath: receiving.path,
    assignmentId: packed.assignmentId,
    baseDirectory: null,
    baseTreePath: null,
    targetDirectory: join(site, 'releases', '1'),
    treePath: join(site, 'trees', '1.tree'),
  })
  t.match(await applying.result(), { treeHash, filesWritten: 2 })
  await switchLive(site, 1)
  t.equal(readLive(site), 1)
  t.equal(readFileSync(join(site, 'live', 'index.html'), 'utf8'), '<p>hello')
  await whole(node, followed)
  t.match(statusOf(node, followed), {
    assignmentId: packed.assignmentId,
    bytesHave: packed.streamBytes,
    chunksHave: packed.chunkCount,
    chunkCount: packed.chunkCount,
    corruptChunks: 0,
    failure: null,
  })
  t.ok(readFileSync(receiving.path).equals(readFileSync(options.outPath)))
})

t.test('a node passes on what it receives', async (t) => {
  const root = t.testdir({ a: {}, b: {} })
  const directory = join(root, 'site')
  writeTree(directory, { 'big.bin': noise(5, 1_000_000) })
  const packed = packTree({ directory, release: 1, chunkBytes: 65536 })
  const [source, near, far] = [openRelay(t, '0'), openRelay(t, '1'), openRelay(t, '2')]
  source.openSource(sourceOptions(packed))
  const atNear = await near.openReceiver(receiverOptions(join(root, 'a'), packed, under([source, '0'])))
  const atFar = await far.openReceiver(receiverOptions(join(root, 'b'), packed, under([near, '1'])))
  await Promise.all([whole(near, atNear), whole(far, atFar)])
  await until('what was passed on is counted', () => statusOf(near, atNear).bytesSent >= packed.streamBytes)
  t.strictSame(statusOf(far, atFar).bytesHave, packed.streamBytes)
})

t.test('a session that is opened again goes on from what is in its file', async (t) => {
  const root = t.testdir({ a: {} })
  const directory = join(root, 'site')
  writeTree(directory, { 'big.bin': noise(6, 1_000_000) })
  const packed = packTree({ directory, release: 1, chunkBytes: 65536 })
  const [source, node] = [openRelay(t, '0'), openRelay(t, '1')]
  source.openSource(sourceOptions(packed))
  const options = receiverOptions(join(root, 'a'), packed, under([source, '0']))
  const first = await node.openReceiver(options)
  await whole(node, first)
  node.closeSession(first)
  node.closeSession(first)
  t.strictSame(node.poll(), [])
  const again = await node.openReceiver(options)
  await whole(node, again)
  t.equal(statusOf(node, again).bytesReceived, 0, 'nothing came twice')
})

t.test('a chunk that is not what was vouched for is never stored', async (t) => {
  const root = t.testdir({ a: {} })
  const directory = join(root, 'site')
  writeTree(directory, { 'big.bin': noise(7, 400_000) })
  const packed = packTree({ directory, release: 1, chunkBytes: 65536 })
  const stream = readFileSync(packed.streamPath)
  stream.writeUInt8(stream.readUInt8(200_000) ^ 1, 200_000)
  writeFileSync(packed.streamPath, stream)
  const [source, node] = [openRelay(t, '0'), openRelay(t, '1')]
  source.openSource(sourceOptions(packed))
  const options = receiverOptions(join(root, 'a'), packed, under([source, '0']))
  const session = await node.openReceiver(options)
  await until('the corrupt chunk is counted', () => statusOf(node, session).corruptChunks > 0)
  t.notOk(statusOf(node, session).complete)
})

t.test('a vouch that the key did not sign is refused', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, { a: 'a' })
  const packed = packTree({ directory, release: 1 })
  const source = openRelay(t, '0')
  const session = source.openSource({ ...sourceOptions(packed), vouchPath: null })
  const vouch = readFileSync(packed.vouchPath)
  vouch.writeUInt8(vouch.readUInt8(vouch.length - 1) ^ 1, vouch.length - 1)
  t.throws(() => source.vouch(session, vouch), { code: 'ENGINE_ERR_DIGEST_MISMATCH' })
  t.throws(() => source.vouch(session + 1, vouch), { code: 'ENGINE_ERR_RELAY_SESSION' })
})

/** A node that follows a session to which nobody sends anything. */
async function standStill(t: Test) {
  const root = t.testdir({ a: {} })
  const node = openRelay(t, '1')
  const options = receiverOptions(join(root, 'a'), { assignmentId: idOf('a'), chunkBytes: 65536 }, under())
  const session = await node.openReceiver(options)
  const applying = new Applying({
    relay: node,
    session,
    streamPath: options.path,
    assignmentId: options.assignmentId,
    baseDirectory: null,
    baseTreePath: null,
    targetDirectory: join(root, 'releases', '1'),
    treePath: join(root, 'trees', '1.tree'),
  })
  return { root, node, session, applying }
}

t.test('an application ends when its session does', async (t) => {
  const { node, session, applying } = await standStill(t)
  node.closeSession(session)
  await t.rejects(applying.result(), { code: 'ENGINE_ERR_RELAY_SESSION' })
})

t.test('a cancelled application settles as cancelled and leaves nothing', async (t) => {
  const { root, applying } = await standStill(t)
  applying.cancel()
  await t.rejects(applying.result(), { code: 'ENGINE_ERR_CANCELLED' })
  t.strictSame(listReleases(root), [])
})

t.test('a second session for one assignment is refused, a missing file is named', async (t) => {
  const root = t.testdir({ a: {} })
  const node = openRelay(t, '1')
  const options = receiverOptions(join(root, 'a'), { assignmentId: idOf('a'), chunkBytes: 65536 }, under())
  await node.openReceiver(options)
  await t.rejects(node.openReceiver(options), { code: 'ENGINE_ERR_CONFLICT' })
  const missing = { ...options, assignmentId: idOf('b'), path: join(root, 'no', 'b') }
  await t.rejects(node.openReceiver(missing), { code: 'ENGINE_ERR_IO', message: /no\/b/ })
})

t.test('a node whose address is no number costs the plan that node alone', async (t) => {
  const root = t.testdir({ a: {} })
  const directory = join(root, 'site')
  writeTree(directory, { 'big.bin': noise(8, 300_000) })
  const packed = packTree({ directory, release: 1, chunkBytes: 65536 })
  const [source, node] = [openRelay(t, '0'), openRelay(t, '1')]
  source.openSource(sourceOptions(packed))
  const named = { nodeId: idOf('8'), host: 'relay.example', port: 7000 }
  const plan = under([source, '0'])
  const mixed = { ...plan, parents: plan.parents.map((ancestors) => [named, ...ancestors]), peers: [named] }
  const session = await node.openReceiver(receiverOptions(join(root, 'a'), packed, mixed))
  await whole(node, session)
  t.strictSame(statusOf(node, session).failure, null)
  node.setPlan(session, mixed)
  t.throws(() => node.setPlan(session, { ...plan, parents: [[named, named]] }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})

t.test('a port in use and a name for a host are refused', async (t) => {
  const { port } = openRelay(t, '1')
  const options = { host: '127.0.0.1', port, nodeId: idOf('2'), name: 'other', role: 'node' } as const
  t.throws(() => new Relay(options), { code: 'ENGINE_ERR_PORT_IN_USE', details: { port: String(port) } })
  t.throws(() => new Relay({ ...options, host: 'localhost' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})

t.test('a closed relay closes again and opens nothing', async (t) => {
  const relay = openRelay(t, '1')
  t.ok(relay.isListening)
  await relay.close()
  await relay.close()
  t.notOk(relay.isListening)
  const options = receiverOptions(t.testdir({}), { assignmentId: idOf('a'), chunkBytes: 65536 }, under())
  await t.rejects(relay.openReceiver(options), { code: 'ENGINE_ERR_NATIVE_CLOSED' })
})

t.test('a worker cannot open a relay while the main thread owns it, but may use the rest', async (t) => {
  openRelay(t, '1')
  const addon = join(import.meta.dirname, '../../../native/addon/index.cjs')
  t.ok(statSync(addon).isFile())
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     const { Relay, blake3 } = require(workerData)
     const digest = blake3(Buffer.from('x'))
     try {
       new Relay({ host: '127.0.0.1', port: 0, nodeId: '3'.repeat(32), name: 'w', role: 'node' })
       parentPort.postMessage({ digest, code: null })
     } catch (error) {
       parentPort.postMessage({ digest, code: error.code })
     }`,
    { eval: true, workerData: addon },
  )
  const answer = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  t.match(answer, { digest: /^[0-9a-f]{64}$/, code: 'ENGINE_ERR_CONFLICT' })
})
