// Goal: what a job decides becomes a word, durable with the decision, and is told to those who are there, and through
// them to those who are not. Method: a real database, nodes that note what they are sent.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { WORD_LISTS_KEPT, WORD_SERVERS_MAX } from '../../../src/base/word-limits.js'
import type { FromCoordinator, TellWord } from '../../../src/control/schema/channel.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { Wording, wordedStep } from '../../../src/coordinator/wording.js'
import type { World } from '../../../src/coordinator/world.js'
import type { JobHappening } from '../../../src/jobs/job.js'
import type { CommandRequest, JobState } from '../../../src/model/job.js'
import { isWordSigned } from '../../../src/model/word.js'
import type { CommandPatch } from '../../../src/store/commands.js'
import { Store } from '../../../src/store/store.js'
import { newPart } from '../../../src/track/fold.js'
import { jobCommands, jobRecord, nodeIdentity } from '../../support/records.js'
import { wordCoordinator, wordSigner } from '../../support/words.js'

const requests: readonly CommandRequest[] = [
  { type: 'publish', directory: '/srv', upload: null },
  { type: 'commit' },
  { type: 'run-hook', hook: 'reload', args: {} },
  { type: 'end-job' },
]
const treeHash = 'a'.repeat(64)
const identityOf = (at: number) =>
  nodeIdentity({
    id: at.toString(16).padStart(32, '0'),
    name: `n${at}`,
    dataAddress: { host: '127.0.0.1', port: at + 1 },
  })

async function place(t: Test, count: number, away: readonly number[] = []) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  const roster = new Roster()
  const heard = new Map<string, FromCoordinator[]>()
  const all = Array.from({ length: count }, (_, at) => identityOf(at))
  for (const [at, identity] of all.entries()) {
    const known = roster.admit(identity, [], 1)
    const messages: FromCoordinator[] = []
    heard.set(identity.name, messages)
    if (!away.includes(at)) known.link = { send: (message) => void messages.push(message), close: () => {} }
  }
  const world = {
    ...{ store, roster, coordinatorId: wordCoordinator, log: silentLogger, metrics: createMetrics() },
    closing: new AbortController().signal,
  } as unknown as World
  const open = async (): Promise<Wording> => {
    const wording = new Wording(() => world, wordSigner)
    await wording.recover()
    return wording
  }
  const record = jobRecord({ id: 'j', site: 'www', release: 2, treeHash })
  const job = new LiveJob(record, { commands: jobCommands(requests), parts: all.map(newPart) }, 0)
  const wording = await open()
  /** A step of the job, as it is written. */
  const step = async (
    happening: JobHappening,
    patch: CommandPatch | null,
    options: { readonly state?: JobState; readonly using?: Wording; readonly job?: LiveJob } = {},
  ): Promise<void> => {
    const { state = 'open', using = wording, job: of = job } = options
    const worded = wordedStep(happening, patch === null ? [] : [patch], state)
    const onDurable = await store.transaction((tables) => using.write(tables, of, worded))
    onDurable()
  }
  const told = (name: string): TellWord[] =>
    (heard.get(name) ?? []).filter((message): message is TellWord => message.type === 'word')
  return { store, roster, wording, job, step, told, open }
}

const begun = (number: number): CommandPatch => ({ number, state: 'in-progress' })

t.test('each decision raises the revision, in the order of the queue, and survives a restart', async (t) => {
  const { step, store, open, wording, job } = await place(t, 1)
  await step({ type: 'packing' }, begun(1))
  t.match(await store.words.get('www'), { revision: 1, commands: [], target: null }, 'nothing is decided yet')
  await step({ type: 'staged' }, null)
  await step({ type: 'baking' } as never, begun(2))
  t.match(await store.words.get('www'), { revision: 1, commands: [] }, 'what is staged, or for a few, is in no word')
  await step({ type: 'decided' }, begun(2))
  await step({ type: 'executing' }, begun(3))
  const again = await open()
  await step({ type: 'executing' }, null, { using: again })
  await step({ type: 'finished', error: null }, { number: 4, state: 'completed' }, { state: 'succeeded', using: again })
  t.match(await store.words.get('www'), {
    revision: 4,
    commands: [
      { number: 2, revision: 2, command: { type: 'commit', release: 2, treeHash } },
      { number: 3, revision: 3, command: { type: 'run-hook' } },
      { number: 4, revision: 4, command: { type: 'end-job' } },
    ],
    target: { release: 2, treeHash, jobId: 'j', number: 2, command: 'commit', revision: 2 },
    ended: true,
  })
  t.same(again.revisionOf('www', 'j', 2), { revision: 2 })
  t.same(again.revisionOf('www', 'j', 3), { revision: 3 })
  t.same(again.revisionOf('www', 'k', 3), {}, 'of another job nothing is known')
  t.same(wording.revisionOf('other', 'j', 2), {})
  const next = new LiveJob({ ...job.record, id: 'k' }, { commands: job.commands, parts: job.parts }, 0)
  await step({ type: 'packing' }, begun(1), { using: again, job: next })
  const { commands, target } = (await store.words.get('www')) ?? {}
  t.match({ commands, target }, { commands: [], target: { release: 2, revision: 2 } }, 'what is served stays')
})

t.test('a decision that was not written is in no word', async (t) => {
  const { wording, store, job, told } = await place(t, 1)
  const worded = wordedStep({ type: 'decided' }, [begun(2)], 'committing')
  const failing = store.transaction(async (tables) => {
    await wording.write(tables, job, worded)
    throw new Error('the disk is full')
  })
  await t.rejects(failing, { message: 'the disk is full' })
  wording.tell(job)
  t.same(told('n0'), [])
  t.same(wording.revisionOf('www', 'j', 2), {})
  t.equal(await store.words.get('www'), null)
})

t.test('of a job that came to nothing no node is asked for more', async (t) => {
  const { step, store } = await place(t, 1)
  await step({ type: 'executing' }, begun(3))
  const error = { code: 'x', message: 'x', hint: 'x' }
  await step({ type: 'failed', error }, { number: 3, state: 'failed' }, { state: 'failed' })
  t.match(await store.words.get('www'), { revision: 2, ended: true })
  t.same((await store.words.get('www'))?.commands, [])
})

t.test('a job that ends before it began takes no word of the place of the one at work', async (t) => {
  const { step, store, wording, job } = await place(t, 1)
  await step({ type: 'packing' }, begun(1))
  await step({ type: 'executing' }, begun(3))
  const queued = new LiveJob({ ...job.record, id: 'k' }, { commands: job.commands, parts: job.parts }, 0)
  const error = { code: 'x', message: 'x', hint: 'x' }
  await step({ type: 'aborted', error }, { number: 1, state: 'failed' }, { state: 'aborted', job: queued })
  t.match(await store.words.get('www'), { jobId: 'j', revision: 2, commands: [{ number: 3 }], ended: false })
  t.same(wording.revisionOf('www', 'j', 3), { revision: 2 })
})

t.test('two steps that are written before either is taken note of have revisions of their own', async (t) => {
  const { store, wording, job } = await place(t, 1)
  const write = (happening: JobHappening, number: number): Promise<() => void> =>
    store.transaction((tables) => wording.write(tables, job, wordedStep(happening, [begun(number)], 'open')))
  const notes = [await write({ type: 'decided' }, 2), await write({ type: 'executing' }, 3)]
  for (const note of notes.reverse()) note()
  t.same(wording.revisionOf('www', 'j', 2), { revision: 1 })
  t.same(wording.revisionOf('www', 'j', 3), { revision: 2 }, 'the newest stays')
})

t.test('those who are there are told, signed, and get the others shared out among a few of them', async (t) => {
  const away = [1, 4, 7, 8, 9]
  const { step, wording, job, told } = await place(t, 12, away)
  wording.openAt('http://127.0.0.1:7400')
  await step({ type: 'decided' }, begun(2))
  wording.tell(job)
  const there = Array.from({ length: 12 }, (_, at) => at).filter((at) => !away.includes(at))
  const indexes = there.flatMap((at) => told(`n${at}`).flatMap((message) => message.indexes))
  t.same(
    indexes.toSorted((a, b) => a - b),
    away,
    'each of them is given to one',
  )
  t.equal(there.filter((at) => (told(`n${at}`)[0]?.indexes.length ?? 0) > 0).length, 4)
  for (const at of there) {
    const [message] = told(`n${at}`)
    if (message === undefined || message.servers === null)
      throw new Error('the first word of a connection brings its list')
    const { serversDigest: _, ...body } = message.word
    t.ok(isWordSigned({ ...body, servers: message.servers }, wordSigner.publicKey))
    t.equal(body.coordinatorUrl, 'http://127.0.0.1:7400')
  }
  await step({ type: 'executing' }, begun(3))
  wording.tell(job)
  t.equal(told('n0')[1]?.servers, null, 'the list is not told again')
  t.equal(told('n0')[1]?.word.serversDigest, told('n0')[0]?.word.serversDigest)
})

t.test('who comes is given the newest word, also after a restart and with a list that has changed', async (t) => {
  const { step, open, roster, told, store } = await place(t, 3, [2])
  await store.jobs.create(jobRecord({ id: 'j', site: 'www' }))
  await store.jobNodes.put(
    'j',
    [0, 1, 2].map((at) => newPart(identityOf(at))),
  )
  await step({ type: 'decided' }, begun(2))
  const again = await open()
  const [first, second] = [roster.all[0], roster.all[1]]
  if (first === undefined || second === undefined) throw new Error('no nodes')
  await again.welcome(first, ['www', 'other'])
  t.match(told('n0'), [
    { word: { revision: 1, site: 'www' }, servers: [{ name: 'n0' }, { name: 'n1' }, { name: 'n2' }] },
  ])
  roster.admit({ ...second.identity, dataAddress: { host: '127.0.0.1', port: 999 } }, [], 2)
  await again.welcome(first, ['www'])
  t.equal(told('n0')[1]?.servers?.[1]?.port, 999, 'addresses are those of now')
  const stranger = roster.admit(identityOf(50), [], 3)
  const heard: FromCoordinator[] = []
  stranger.link = { send: (message) => void heard.push(message), close: () => {} }
  await again.welcome(stranger, ['www'])
  t.match(heard, [{ type: 'word', servers: [{ name: 'n0' }, { name: 'n1' }, { name: 'n2' }] }], 'it learns whom to ask')
})

t.test('a list that its node has forgotten is told again', async (t) => {
  const { step, wording, roster, job, told } = await place(t, 2)
  await step({ type: 'decided' }, begun(2))
  const second = roster.all[1]
  if (second === undefined) throw new Error('no node')
  const tellWith = (port: number): void => {
    roster.admit({ ...second.identity, dataAddress: { host: '127.0.0.1', port } }, [], 2)
    wording.tell(job)
  }
  for (let index = 0; index < WORD_LISTS_KEPT; index++) tellWith(1000 + index)
  tellWith(1000)
  t.equal(told('n0').at(-1)?.servers, null, 'so many are known')
  tellWith(2000)
  tellWith(1000)
  t.equal(told('n0').at(-1)?.servers, null, 'this one was used since')
  tellWith(1001)
  t.equal(told('n0').at(-1)?.servers?.[1]?.port, 1001, 'this one was used longest ago')
})

t.test('however many come at once, who takes part is read once', async (t) => {
  const { step, open, roster, store, told } = await place(t, 50)
  await store.jobs.create(jobRecord({ id: 'j', site: 'www' }))
  await store.jobNodes.put(
    'j',
    roster.all.map(({ identity }) => newPart(identity)),
  )
  await step({ type: 'decided' }, begun(2))
  const again = await open()
  let readings = 0
  const { jobNodes } = store
  const list = jobNodes.list.bind(jobNodes)
  jobNodes.list = (jobId) => {
    readings += 1
    return list(jobId)
  }
  await Promise.all(roster.all.map((known) => again.welcome(known, ['www'])))
  t.equal(readings, 1)
  t.ok(roster.all.every(({ identity }) => told(identity.name).length === 1))
})

t.test('a large audience is told in blocks, each with a list of its own', async (t) => {
  const count = WORD_SERVERS_MAX + 10
  const { step, wording, job, told } = await place(t, count, [3, count - 1])
  await step({ type: 'decided' }, begun(2))
  wording.tell(job)
  const [small, large] = [told('n0')[0], told(`n${count - 2}`)[0]]
  t.equal(small?.servers?.length, WORD_SERVERS_MAX)
  t.equal(large?.servers?.length, 10)
  t.equal(small?.word.revision, large?.word.revision)
})
