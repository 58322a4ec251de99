// Goal: nodes tell one another what was decided, over the sockets of their relays, and nothing that is not the
// coordinator's word, whatever is said there. Method: real relays and sockets on loopback; orders go to a list.
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../src/base/clock.js'
import { silentLogger } from '../../../../src/base/log.js'
import { systemRandom } from '../../../../src/base/random.js'
import { Signer } from '../../../../src/base/signing.js'
import { TALK_LINE_BYTES_MAX, TALK_MS } from '../../../../src/base/word-limits.js'
import type { Commit, Execute } from '../../../../src/control/schema/channel.js'
import type { TalkRequest } from '../../../../src/control/schema/word.js'
import { serversDigest, type SignedWord, type WordServer } from '../../../../src/model/word.js'
import { Relay } from '../../../../src/native/relay.js'
import { talkOpening } from '../../../../src/native/talking.js'
import { Answering } from '../../../../src/node/words/answering.js'
import { caller } from '../../../../src/node/words/calling.js'
import { filesIn } from '../../../../src/node/words/files.js'
import { Words } from '../../../../src/node/words/words.js'
import { type NodeParts, openParts } from '../../../support/node-parts.js'
import { ManualClock } from '../../../support/manual-clock.js'
import { until } from '../../../support/until.js'
import { hookCommand, serverOf, wordCoordinator, wordOf, wordSigner } from '../../../support/words.js'

interface Peer {
  readonly server: WordServer
  readonly words: Words
  readonly parts: NodeParts
  readonly orders: (Commit | Execute)[]
}

/** A node's end of words. Orders are noted, and done as the journal would say. */
async function openPeer(t: Test, index: number, isConnected = false): Promise<Peer> {
  const { nodeId, name } = serverOf(index)
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId, name, role: 'node' })
  const parts = await openParts(t)
  const { ledger } = parts
  await ledger.record({ type: 'joined', coordinatorId: wordCoordinator, publicKey: wordSigner.publicKey })
  const orders: (Commit | Execute)[] = []
  const words = new Words({
    ...{ nodeId, name, ledger, relay, clock: systemClock, random: systemRandom, log: silentLogger },
    files: filesIn(join(parts.paths.directory, 'words')),
    isConnected: () => isConnected,
    isUnderWay: () => false,
    async carryOut(order) {
      orders.push(order)
      const { jobId, number, site, revision } = order
      const since = revision === undefined ? {} : { site, revision }
      if (order.type === 'execute') {
        await ledger.record({ type: 'executed', jobId, number, phase: 'completion', error: null, ...since })
      } else {
        const { release, treeHash } = order
        await ledger.record({ type: 'live', site, release, treeHash, ...(revision === undefined ? {} : { revision }) })
      }
    },
  })
  words.start()
  t.teardown(async () => {
    await words.close()
    await relay.close()
  })
  return { server: { nodeId, name, host: relay.host, port: relay.port }, words, parts, orders }
}

const call = (t: Test, peer: WordServer, request: TalkRequest, as = 2) => {
  const { nodeId, name } = serverOf(as)
  const closing = new AbortController()
  t.teardown(() => closing.abort())
  return caller({ nodeId, name }, systemClock, closing.signal)(peer, request)
}

const push = (word: SignedWord, ...indexes: number[]): TalkRequest => ({ say: 'push', word, indexes })
const done = ({ orders }: Peer): string[] => orders.map((order) => `${order.jobId}:${order.number}`)

t.test('a word that is pushed is acted on in its order, once, and given to who asks for it', async (t) => {
  const peer = await openPeer(t, 1)
  const treeHash = await peer.parts.hold(2)
  const target = { release: 2, treeHash, jobId: 'j', number: 2, command: 'commit', revision: 3 } as const
  const switching = { number: 2, revision: 3, command: { type: 'commit', release: 2, treeHash } } as const
  const word = wordOf(4, { commands: [hookCommand(1, 2), switching, hookCommand(3, 4)], target })
  t.same(await call(t, peer.server, push(word)), [{ say: 'heard' }])
  await until('all is done', () => peer.orders.length >= 3)
  t.same(await call(t, peer.server, push(word)), [{ say: 'heard' }], 'twice is no fault')
  t.same(done(peer), ['j:1', 'j:2', 'j:3'])
  t.equal(peer.words.viaOf({ jobId: 'j', number: 3 }), 'n2')
  t.equal(peer.words.viaOf({ jobId: 'j', number: 9 }), null, 'the coordinator')
  const asked = await call(t, peer.server, { say: 'pull', have: { www: 3 } })
  t.match(asked, [{ say: 'word', word: { revision: 4 } }, { say: 'end' }])
  t.same(await call(t, peer.server, { say: 'pull', have: { www: 4 } }), [{ say: 'end' }])
  await call(t, peer.server, push(wordOf(3, { commands: [hookCommand(7, 3)] })))
  const after = await call(t, peer.server, { say: 'pull', have: {} })
  t.match(after, [{ say: 'word', word: { revision: 4 } }, { say: 'end' }], 'an older one takes nothing away')
  t.same(
    await call(t, peer.server, { say: 'pull', have: {} }, 9),
    [{ say: 'end' }],
    'who takes no part is told nothing',
  )
})

t.test('an older word does nothing, also when the journal has forgotten what it is about', async (t) => {
  const peer = await openPeer(t, 1)
  const [one, two] = [await peer.parts.hold(1), await peer.parts.hold(2)]
  const to = (release: number, treeHash: string, revision: number) =>
    ({ release, treeHash, jobId: 'j', number: revision, command: 'commit', revision }) as const
  const old = wordOf(2, { commands: [hookCommand(1, 1)], target: to(1, one, 2) })
  const { ledger } = peer.parts
  // Both were done for the coordinator, who gave no word; the journal remembers no more than how far it was.
  await ledger.record({ type: 'live', site: 'www', release: 2, treeHash: two, revision: 3 })
  await ledger.record({ type: 'words', site: 'www', switched: 3, settled: 3 })
  t.same(await call(t, peer.server, push(old)), [{ say: 'heard' }])
  await call(t, peer.server, push(wordOf(3, { target: to(2, two, 3) })))
  await call(t, peer.server, push(old))
  t.same(peer.orders, [])
})

t.test('a switch to what is not there waits until it is, and what follows it waits too', async (t) => {
  const peer = await openPeer(t, 1)
  const hash = await peer.parts.hold(7, { site: 'elsewhere' })
  const target = { release: 7, treeHash: hash, jobId: 'j', number: 2, command: 'commit', revision: 1 } as const
  await call(t, peer.server, push(wordOf(2, { commands: [hookCommand(3, 2)], target })))
  await call(t, peer.server, push(wordOf(1, { site: 'other', jobId: 'k', commands: [hookCommand(1, 1)] })))
  await until('the other site is not held up', () => peer.orders.length > 0)
  t.same(done(peer), ['k:1'])
  await peer.parts.ledger.record({ type: 'staged', site: 'www', release: 7, treeHash: hash })
  await until('it goes on by itself', () => peer.orders.length === 3)
  t.same(done(peer), ['k:1', 'j:2', 'j:3'])
})

t.test('a word goes on to those it is to be brought to, and past those who are gone', async (t) => {
  const peers = [await openPeer(t, 1), await openPeer(t, 2), await openPeer(t, 3)]
  const gone = { ...serverOf(4), port: 1 }
  const impostor = { ...serverOf(5), port: peers[0]?.server.port ?? 0 }
  const servers = [...peers.map(({ server }) => server), gone, impostor]
  const word = wordOf(1, { servers, commands: [hookCommand(1, 1)] })
  const [first] = peers
  if (first === undefined) throw new Error('no peer')
  await call(t, first.server, push(word, 3, 4, 1, 2), 9)
  for (const peer of peers) await until('it came', () => peer.orders.length > 0)
  for (const peer of peers) t.same(done(peer), ['j:1'])
})

t.test('a node that is alone asks those that it knows, and acts on what the coordinator told it before', async (t) => {
  const [lost, other] = [await openPeer(t, 1), await openPeer(t, 2, true)]
  const servers = [lost.server, other.server]
  const tell = (peer: Peer, word: SignedWord): void => {
    const { servers: list, ...body } = word
    const digest = serversDigest(list)
    peer.words.tell({
      type: 'word',
      word: { ...body, serversDigest: digest },
      servers: [...list],
      indexes: [],
    } as never)
  }
  tell(lost, wordOf(1, { servers, commands: [hookCommand(1, 1)] }))
  tell(other, wordOf(2, { servers, commands: [hookCommand(1, 1), hookCommand(2, 2)] }))
  await until('it has done both', () => lost.orders.length >= 2)
  t.same(done(lost), ['j:1', 'j:2'])
  t.same(other.orders, [], 'whom the coordinator tells begins nothing by itself')
  t.equal(lost.words.viaOf({ jobId: 'j', number: 2 }), 'n2')
})

t.test('what the coordinator has not signed is refused, and so is what is not for this node', async (t) => {
  const peer = await openPeer(t, 1)
  const hooks = { commands: [hookCommand(1, 1)] }
  const forged = wordOf(1, hooks, new Signer(Buffer.alloc(32, 3)))
  const untrusted = { say: 'refused', code: 'ENGINE_ERR_WORD_UNTRUSTED' }
  t.match(await call(t, peer.server, push(forged)), [untrusted])
  t.match(await call(t, peer.server, push(wordOf(1, { ...hooks, coordinatorId: 'e'.repeat(32) }))), [untrusted])
  t.match(await call(t, peer.server, push({ ...wordOf(1, hooks), revision: 9 })), [untrusted])
  const foreign = wordOf(1, { ...hooks, servers: [serverOf(2)] })
  t.match(await call(t, peer.server, push(foreign)), [{ say: 'refused', code: 'ENGINE_ERR_WORD_FOREIGN' }])
  t.same(await call(t, peer.server, { say: 'pull', have: {} }, 2), [{ say: 'end' }], 'and nothing of it is kept')
  t.same(peer.orders, [])
})

/** Says bytes after the opening; gives all that comes back after the greeting until the end. */
function shout(t: Test, { port }: WordServer, said: readonly Uint8Array[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const heard: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk) => heard.push(chunk))
  socket.write(talkOpening('b'.repeat(32), 'shouter'))
  for (const each of said) socket.write(each)
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(heard).toString('latin1'))))
}

t.test('bytes that are no request are refused with a reason, and end nothing else', async (t) => {
  const peer = await openPeer(t, 1)
  const long = Buffer.alloc(TALK_LINE_BYTES_MAX + 2, 0x20)
  const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['garbage', [Buffer.from('\u0000\u0001\n')]],
    ['another protocol', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a request that is none', [Buffer.from('{"say":"shout"}\n')]],
    ['an array', [Buffer.from('[]\n')]],
    ['a line that is too long', [long]],
  ]
  for (const [what, said] of cases) {
    t.match(await shout(t, peer.server, said), /"refused","code":"ENGINE_ERR_TALK_FAILED"/, what)
  }
  t.same(await call(t, peer.server, { say: 'pull', have: {} }), [{ say: 'end' }], 'it still answers')
})

t.test('who connects and says nothing, or only half, is cut off in time, and its place is free', async (t) => {
  const [nodeId, name] = ['a'.repeat(32), 'slow']
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId, name, role: 'node' })
  t.teardown(() => relay.close())
  const clock = new ManualClock()
  let ended = 0
  const watched = {
    openTalks: (onWaiting: () => void) => relay.openTalks(onWaiting),
    takeTalk: () => relay.takeTalk(),
    endTalk: (number: number) => {
      ended += 1
      relay.endTalk(number)
    },
  }
  const answering = new Answering({ relay: watched, clock, log: silentLogger, answer: async () => [] })
  answering.open()
  t.teardown(() => answering.close())
  const server = { nodeId, name, host: relay.host, port: relay.port }
  const ends = [shout(t, server, []), shout(t, server, [Buffer.from('{"say":"pu')])]
  await until('both are in', () => clock.waiting === 2)
  clock.advance(TALK_MS)
  t.same(
    (await Promise.all(ends)).map((heard) => heard.includes('say')),
    [false, false],
  )
  await until('their places are given back', () => ended === 2)
})

t.test('a peer that is not there, or is another, fails the talk', async (t) => {
  const peer = await openPeer(t, 1)
  const failed = { code: 'ENGINE_ERR_TALK_FAILED' }
  await t.rejects(call(t, { ...peer.server, nodeId: 'c'.repeat(32) }, { say: 'pull', have: {} }), failed)
  await t.rejects(call(t, { ...peer.server, port: 1 }, { say: 'pull', have: {} }), failed)
  const closed = new AbortController()
  closed.abort()
  const { nodeId, name } = serverOf(2)
  await t.rejects(caller({ nodeId, name }, systemClock, closed.signal)(peer.server, { say: 'pull', have: {} }), failed)
})
