// Goal: nodes tell one another what was decided, over the sockets of their relays, and nothing that is not the
// coordinator's word, whatever is said there. Method: real relays and sockets on loopback; orders go to a list.
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Clock, systemClock } from '../../../../src/base/clock.js'
import { silentLogger } from '../../../../src/base/log.js'
import { systemRandom } from '../../../../src/base/random.js'
import { Signer } from '../../../../src/base/signing.js'
import {
  ALONE_MS,
  TALK_ANSWER_BYTES_MAX,
  TALK_ANSWERS_MAX,
  TALK_LINE_BYTES_MAX,
  TALK_MS,
  WORD_LISTS_KEPT,
  WORD_LOOK_MS,
} from '../../../../src/base/word-limits.js'
import type { Commit, Execute } from '../../../../src/control/schema/channel.js'
import type { TalkRequest } from '../../../../src/control/schema/word.js'
import { serversDigest, type SignedWord, type WordServer } from '../../../../src/model/word.js'
import { Relay } from '../../../../src/native/relay.js'
import { talkOpening } from '../../../../src/native/talking.js'
import { Answering, answersOf } from '../../../../src/node/words/answering.js'
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

interface PeerOptions {
  readonly isConnected?: () => boolean
  readonly clock?: Clock
  /** What an earlier life has left, by site. */
  readonly kept?: Readonly<Record<string, readonly SignedWord[]>>
  /** Settles when the disk may write. */
  readonly mayWrite?: Promise<void>
}

/** A node's end of words. Orders are noted, and done as the journal would say. */
async function openPeer(
  t: Test,
  index: number,
  { isConnected = () => false, clock = systemClock, kept = {}, mayWrite }: PeerOptions = {},
): Promise<Peer> {
  const { nodeId, name } = serverOf(index)
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId, name, role: 'node' })
  const parts = await openParts(t)
  const { ledger } = parts
  await ledger.record({ type: 'joined', coordinatorId: wordCoordinator, publicKey: wordSigner.publicKey })
  const orders: (Commit | Execute)[] = []
  const directory = join(parts.paths.directory, 'words')
  await mkdir(directory)
  for (const [site, words] of Object.entries(kept)) {
    await writeFile(join(directory, `${site}.json`), JSON.stringify(words.map((word) => ({ word, closed: false }))))
  }
  const files = filesIn(directory)
  const write = async (site: string, text: string): Promise<void> => {
    await mayWrite
    return files.write(site, text)
  }
  const words = new Words({
    ...{ nodeId, name, ledger, relay, clock, random: systemRandom, log: silentLogger },
    files: { ...files, write },
    isConnected,
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

t.test('a word is heard only when it is on the disk, also when it comes a second time', async (t) => {
  let go = (): void => {}
  const mayWrite = new Promise<void>((resolve) => {
    go = resolve
  })
  const peer = await openPeer(t, 1, { mayWrite })
  const answers: unknown[] = []
  const first = call(t, peer.server, push(wordOf(1))).then((answer) => answers.push(answer))
  await until('it came', async () => (await call(t, peer.server, { say: 'pull', have: {} })).length === 2)
  const second = call(t, peer.server, push(wordOf(1))).then((answer) => answers.push(answer))
  // A whole talk takes as long as an answer would have.
  await call(t, peer.server, { say: 'pull', have: {} })
  t.same(answers, [])
  go()
  await Promise.all([first, second])
  t.same(answers, [[{ say: 'heard' }], [{ say: 'heard' }]])
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

/** The coordinator gives a word, with the list of its servers or by the digest of that alone. */
const tell = (peer: Peer, { servers: list, ...body }: SignedWord, isListTold = true): void =>
  peer.words.tell({
    type: 'word',
    word: { ...body, serversDigest: serversDigest(list) },
    servers: isListTold ? [...list] : null,
    indexes: [],
  } as never)

t.test('a node that is alone asks those that it knows, and acts on what the coordinator told it before', async (t) => {
  const [lost, other] = [await openPeer(t, 1), await openPeer(t, 2, { isConnected: () => true })]
  const servers = [lost.server, other.server]
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

t.test('what an earlier life kept waits for the coordinator, and begins only when that does not come', async (t) => {
  const clock = new ManualClock()
  let isConnected = true
  const kept = { www: [wordOf(1, { commands: [hookCommand(1, 1)] })] }
  const peer = await openPeer(t, 1, { clock, kept, isConnected: () => isConnected })
  t.same((await call(t, peer.server, { say: 'pull', have: {} })).length, 2, 'it has read it')
  for (let i = 0; i < 5; i++) clock.advance(WORD_LOOK_MS)
  isConnected = false
  clock.advance(WORD_LOOK_MS)
  await call(t, peer.server, { say: 'pull', have: {} })
  t.same(done(peer), [])
  clock.advance(ALONE_MS)
  await until('it begins', () => peer.orders.length > 0)
  t.same(done(peer), ['j:1'])
})

t.test('what a disk has changed of a word, or put under another name, counts for nothing', async (t) => {
  const word = wordOf(1, { commands: [hookCommand(1, 1)] })
  const [command] = word.commands
  if (command === undefined) throw new Error('no command')
  const flipped = { ...word, commands: [{ ...command, command: { ...command.command, hook: 'relobd' } }] } as SignedWord
  const elsewhere = wordOf(1, { site: 'docs', commands: [hookCommand(1, 1)] })
  const clock = new ManualClock()
  const peer = await openPeer(t, 1, { clock, kept: { www: [flipped], moved: [elsewhere] } })
  t.same(await call(t, peer.server, { say: 'pull', have: {} }), [{ say: 'end' }])
  clock.advance(2 * ALONE_MS)
  await call(t, peer.server, push(word))
  await until('a good one counts', () => peer.orders.length > 0)
  t.match(peer.orders, [{ command: { hook: 'reload' } }])
})

t.test('more than one talk has room for is told in several, each with something new', async (t) => {
  const sites = Array.from({ length: TALK_ANSWERS_MAX / 2 }, (_, index) => `site${index}`)
  const wordsOf = (site: string): SignedWord[] =>
    [1, 2, 3].map((revision) => wordOf(revision, { site, jobId: `j${revision}` }))
  const peer = await openPeer(t, 1, { kept: Object.fromEntries(sites.map((site) => [site, wordsOf(site)])) })
  const have: Record<string, number> = {}
  const counts: number[] = []
  for (;;) {
    const answers = await call(t, peer.server, { say: 'pull', have })
    const told = answers.flatMap((answer) => (answer.say === 'word' ? [answer.word] : []))
    if (told.length === 0) break
    counts.push(told.length)
    for (const { site, revision } of told) have[site] = revision
  }
  t.same(counts, [TALK_ANSWERS_MAX, TALK_ANSWERS_MAX / 2])
  const long = wordOf(1, { jobId: 'x'.repeat(TALK_ANSWER_BYTES_MAX / 8) })
  t.equal(answersOf(Array.from({ length: 20 }, () => long)).length, 8, 'seven and the end')
})

t.test('lists of servers that were used last are known by their digest, as the coordinator counts on', async (t) => {
  const peer = await openPeer(t, 1, { isConnected: () => true })
  const listOf = (index: number): WordServer[] => [peer.server, { ...serverOf(2), port: 1000 + index }]
  let revision = 0
  const newest = async (index: number, isListTold: boolean): Promise<boolean> => {
    revision += 1
    tell(peer, wordOf(revision, { servers: listOf(index) }), isListTold)
    const [answer] = await call(t, peer.server, { say: 'pull', have: {} })
    return answer?.say === 'word' && answer.word.revision === revision
  }
  for (let index = 0; index < WORD_LISTS_KEPT; index++) await newest(index, true)
  t.ok(await newest(0, false), 'the oldest is used')
  t.ok(await newest(WORD_LISTS_KEPT, true), 'so that another one goes')
  t.ok(await newest(0, false))
  t.notOk(await newest(1, false), 'the one that was used longest ago')
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
