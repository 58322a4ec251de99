// Goal: whatever a coordinator was at when it ended, the next one on its directory finishes it.
// Method: real coordinators, closed at each step or put before a database as kill -9 leaves it.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import type { JobRecord } from '../../../src/store/jobs.js'
import { Store } from '../../../src/store/store.js'
import { newPart } from '../../../src/track/fold.js'
import { jobCommands, publishRequests } from '../../support/records.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-recovering-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

let count = 0
async function place(): Promise<{ dataDir: string; staging: string; node: FakeNode }> {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  await writeFile(join(staging, 'index.html'), 'hello\n')
  return { dataDir: join(directory, 'data'), staging, node: new FakeNode({ name: 'one' }) }
}

const to = { site: 'www', group: 'edge' } as const

/** What a coordinator says a job is now. */
const stateOf = async (coordinator: Coordinator, id: string): Promise<string> => (await coordinator.job(id)).state

t.test('closed while nodes receive: the same assignment goes on', async (t) => {
  const { dataDir, staging, node } = await place()
  node.onStage = () => 'ignore'
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  const { id } = await first.publish(staging, to)
  await until('it is packed', async () => (await first.job(id)).assignment?.streamBytes ?? undefined)
  await first.close()
  await first.close()
  node.onStage = () => 'do'
  await using second = await Coordinator.open({ dataDir })
  t.equal(second.id, first.id)
  t.equal(await stateOf(second, id), 'distributing')
  await node.connect(second.url)
  await until('it is done', async () => (await stateOf(second, id)) === 'succeeded')
  const stages = node.messages('stage')
  t.equal(stages.at(-1)?.assignment.id, stages[0]?.assignment.id)
  t.equal(node.live('www')?.release, 1)
})

t.test('closed while it waits for its commit: it still waits, and can be committed', async (t) => {
  const { dataDir, staging, node } = await place()
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  const { id } = await first.publish(staging, { ...to, stageOnly: true })
  await until('it is staged', async () => (await stateOf(first, id)) === 'staged')
  await first.close()
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  const job = await second.attach(id)
  await second.commit(id)
  t.equal((await job.completed()).state, 'succeeded')
  t.equal(node.messages('stage').length, 1, 'nothing was sent again')
})

t.test('killed after a commit was asked for: it is not asked for again', async (t) => {
  const { dataDir, staging, node } = await place()
  const id = await stagedAndAsked(dataDir, staging, node, 'commit')
  await using coordinator = await Coordinator.open({ dataDir })
  await node.connect(coordinator.url)
  t.equal((await (await coordinator.attach(id)).completed()).state, 'succeeded')
  t.equal(node.live('www')?.release, 1)
})

t.test('killed after an abort was asked for: nothing goes live', async (t) => {
  const { dataDir, staging, node } = await place()
  const id = await stagedAndAsked(dataDir, staging, node, 'abort')
  await using coordinator = await Coordinator.open({ dataDir })
  await node.connect(coordinator.url)
  await t.rejects((await coordinator.attach(id)).completed(), { code: 'ENGINE_ERR_JOB_ABORTED' })
  await until('the node is told to drop it', () => node.messages('discard').length > 0)
  t.match(await coordinator.sites(), [{ targetRelease: null, releases: [] }])
})

t.test(
  'killed after it ended in vain: who comes back with what it staged is told to drop that, and nothing else',
  async (t) => {
    const { dataDir, staging, node } = await place()
    const id = await stagedAndAsked(dataDir, staging, node, 'abort')
    const first = await Coordinator.open({ dataDir })
    await t.rejects((await first.attach(id)).completed(), { code: 'ENGINE_ERR_JOB_ABORTED' })
    await first.close()
    const [staged] = node.sites.get('www')?.held ?? []
    const strange = { release: 1, treeHash: 'c'.repeat(64) }
    const stranger = new FakeNode({ name: 'two', sites: [{ site: 'www', live: null, held: [strange] }] })
    node.sites.set('www', {
      ...{ site: 'www', live: null },
      held: [...(staged ? [staged] : []), { release: 7, treeHash: 'b'.repeat(64) }],
    })
    await using second = await Coordinator.open({ dataDir })
    await node.connect(second.url)
    await stranger.connect(second.url)
    await until('it is told', () => node.messages('discard').length > 0)
    t.match(node.messages('discard'), [{ site: 'www', release: 1, assignmentId: /^[0-9a-f]{32}$/ }])
    // A disk that was full when it was told: its next word says that it still has it.
    const { held = [] } = node.sites.get('www') ?? {}
    node.send({ type: 'holdings', sites: [{ site: 'www', live: null, held: [...held] }] })
    await until('it is told again', () => node.messages('discard').length > 1)
    t.same(stranger.messages('discard'), [], 'what is not on record stays')
  },
)

t.test(
  'a node that was killed between its switch and its word is asked for that word before the job ends',
  async (t) => {
    const { dataDir, staging, node } = await place()
    await using coordinator = await Coordinator.open({ dataDir })
    await node.connect(coordinator.url)
    node.onCommit = ({ site, release, treeHash }) => {
      const held = node.sites.get(site)?.held ?? []
      node.sites.set(site, { site, live: { release, treeHash }, held })
      return 'ignore'
    }
    const job = await coordinator.publish(staging, to)
    await until('it has switched', () => node.live('www') !== null)
    node.onCommit = () => 'do'
    await node.disconnect()
    await node.connect(coordinator.url)
    t.equal((await job.completed()).state, 'succeeded')
    const receipts = await coordinator.receipts(job.id)
    t.match(
      receipts.filter(({ command }) => command === 'commit'),
      [{ kind: 'completion', nodeName: 'one' }],
    )
  },
)

t.test('a node that comes back with other groups keeps no job waiting', async (t) => {
  const { dataDir, staging, node } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const moving = new FakeNode({ name: 'two', onCommit: () => 'ignore' })
  await node.connect(coordinator.url)
  await moving.connect(coordinator.url)
  const job = await coordinator.publish(staging, to)
  await until('it is told to switch', () => moving.messages('commit').length > 0)
  await moving.disconnect()
  await new FakeNode({ name: 'two', groups: ['other'] }).connect(coordinator.url)
  const { state, nodes } = await job.completed()
  t.equal(state, 'succeeded')
  t.match(nodes, [{ state: 'live' }, { state: 'departed', reason: 'it does not serve the site any more' }])
})

/** A staged job of which only the database knows what was asked. */
async function stagedAndAsked(
  dataDir: string,
  staging: string,
  node: FakeNode,
  wish: 'commit' | 'abort',
): Promise<string> {
  const coordinator = await Coordinator.open({ dataDir })
  await node.connect(coordinator.url)
  const { id } = await coordinator.publish(staging, { ...to, stageOnly: true })
  await until('it is staged', async () => (await stateOf(coordinator, id)) === 'staged')
  await coordinator.close()
  const store = await Store.open(join(dataDir, 'engine.db'))
  if (wish === 'abort') await store.jobs.askAbort(id)
  else
    await store.commands.add(
      id,
      jobCommands([{ type: 'publish', directory: '', upload: null }, { type: 'commit' }, { type: 'end-job' }]).slice(1),
    )
  await store.close()
  return id
}

t.test('closed after the decision: it stands, nodes are told again, the shadow follows', async (t) => {
  const { dataDir, staging, node } = await place()
  node.onCommit = () => 'ignore'
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  const { id } = await first.publish(staging, to)
  await until('the node is told to switch', () => node.messages('commit').length === 1)
  await until('the shadow has', () => existsSync(join(dataDir, 'sites/www/live')))
  await first.close()
  await rm(join(dataDir, 'sites/www/live'))
  node.onCommit = () => 'do'
  await using second = await Coordinator.open({ dataDir })
  t.equal(await readlink(join(dataDir, 'sites/www/live')), 'releases/1')
  await t.rejects(second.abort(id), { code: 'ENGINE_ERR_JOB_STATE' })
  const job = await second.attach(id)
  const lastId = node.heard.length
  await node.connect(second.url)
  t.equal((await job.completed()).state, 'succeeded')
  t.ok(node.heard.length > lastId)
  t.equal(node.live('www')?.release, 1)
})

/** A job as kill -9 leaves it, in a database that nobody has open. */
async function plant(
  dataDir: string,
  { directory, state = 'open', ...record }: Partial<JobRecord> & { readonly directory: string },
  also: (store: Store) => Promise<void>,
): Promise<void> {
  const policy = {
    maxDeleteRatio: 0.25,
    allowEmpty: false,
    quorum: 0.5,
    strategy: 'braid',
  } as const
  const store = await Store.open(join(dataDir, 'engine.db'))
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  await store.jobs.create({
    ...{ id: '01JOB', site: 'www', group: 'edge', only: null, state, release: null, baseRelease: null },
    ...{ treeHash: null, reason: null, policy, changes: null, assignment: null, error: null },
    ...{ createdAtMs: 1, finishedAtMs: null },
    ...record,
  })
  const [published, ...others] = jobCommands(publishRequests(directory))
  if (published !== undefined)
    await store.commands.add(record.id ?? '01JOB', [{ ...published, state: 'in-progress' }, ...others])
  await also(store)
  await store.close()
}

t.test('killed while it scanned: the job is packed from the start', async (t) => {
  const { dataDir, staging, node } = await place()
  await (await Coordinator.open({ dataDir })).close()
  await plant(dataDir, { directory: staging, state: 'packing' }, async (store) => {
    const identity = { id: node.id, name: 'one', groups: ['edge'], segment: 'lan', dataAddress: { host: 'h', port: 1 } }
    await store.nodes.put(identity, [], 1)
    await store.jobNodes.put('01JOB', [newPart(identity)])
  })
  await using coordinator = await Coordinator.open({ dataDir })
  await node.connect(coordinator.url)
  await until('it is done', async () => (await stateOf(coordinator, '01JOB')) === 'succeeded')
  t.equal(node.live('www')?.release, 1)
})

t.test('killed while it packed: another assignment is packed, and what went out of the first is dropped', async (t) => {
  const { dataDir, staging, node } = await place()
  await (await Coordinator.open({ dataDir })).close()
  const id = 'a'.repeat(32)
  const assignment = { id, serial: 1, chunkBytes: 65_536, streamBytes: null }
  await plant(
    dataDir,
    { directory: staging, state: 'distributing', release: 1, treeHash: 'b'.repeat(64), assignment },
    async (store) => {
      await store.sites.nextRelease('www')
      await store.meta.nextSerial()
      const made = { site: 'www', release: 1, treeHash: 'b'.repeat(64), baseRelease: null, jobId: '01JOB', held: false }
      await store.releases.put({ ...made, fileCount: 1, totalBytes: 6, createdAtMs: 1 })
      const facts = { command: 'publish', site: 'www', release: 1, baseRelease: null, jobId: '01JOB' } as const
      const row = {
        id,
        serial: 1,
        ...facts,
        treeHash: 'b'.repeat(64),
        chunkBytes: 65_536,
        packed: null,
        createdAtMs: 1,
      }
      await store.assignments.create(row)
      const identity = {
        id: node.id,
        name: 'one',
        groups: ['edge'],
        segment: 'lan',
        dataAddress: { host: 'h', port: 1 },
      }
      await store.nodes.put(identity, [], 1)
      await store.jobNodes.put('01JOB', [newPart(identity)])
    },
  )
  const assignments = join(dataDir, 'assignments')
  for (const name of ['1.stream', '1.vouch', 'notes.txt']) await writeFile(join(assignments, name), 'torn')
  await writeFile(join(dataDir, 'work/01JOB.tree'), 'torn')
  await mkdir(join(dataDir, 'sites/www/releases/1'), { recursive: true })
  await mkdir(join(dataDir, 'sites/www/releases/of-somebody'), { recursive: true })
  await using coordinator = await Coordinator.open({ dataDir })
  t.same(await readdir(join(dataDir, 'sites/www/releases')), ['of-somebody'])
  await node.connect(coordinator.url)
  await until('it is done', async () => (await stateOf(coordinator, '01JOB')) === 'succeeded')
  t.match(node.messages('discard'), [{ assignmentId: id, release: 1 }])
  t.match(node.messages('stage'), [{ release: 2 }])
  t.not(node.messages('stage')[0]?.assignment.id, id)
  t.same((await readdir(assignments)).sort(), ['2.stream', '2.vouch', 'notes.txt'])
})

t.test('killed before it noted that nothing differs: what is live stays counted', async (t) => {
  const { dataDir, staging, node } = await place()
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  await (await first.publish(staging, to)).completed()
  const [site] = await first.sites()
  await first.close()
  const treeHash = site?.targetTreeHash ?? null
  await plant(
    dataDir,
    { id: '02JOB', directory: staging, state: 'packing', release: 1, baseRelease: 1, treeHash },
    async () => {},
  )
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  await until('it is done', async () => (await stateOf(second, '02JOB')) === 'succeeded')
  t.match(await second.sites(), [{ targetRelease: 1, releases: [1] }])
  t.equal(node.messages('stage').length, 1)
})

t.test('what was asked of a job that found nothing to bring stands after a restart', async (t) => {
  const { dataDir, staging, node } = await place()
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  await (await first.publish(staging, to)).completed()
  await first.close()
  const id = await stagedAndAsked(dataDir, staging, node, 'commit')
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  t.match(await (await second.attach(id)).completed(), { state: 'succeeded', release: 1 })
  t.equal(node.messages('stage').length, 1)
})

t.test('a staged job whose assignment is lost is packed again', async (t) => {
  const { dataDir, staging, node } = await place()
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  const { id } = await first.publish(staging, { ...to, stageOnly: true })
  await until('it is staged', async () => (await stateOf(first, id)) === 'staged')
  await first.close()
  await rm(join(dataDir, 'assignments'), { recursive: true })
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  await until('it is staged anew', async () => (await stateOf(second, id)) === 'staged')
  await second.commit(id)
  t.match(await (await second.attach(id)).completed(), { state: 'succeeded', release: 2 })
})

t.test('watchers of a job find it again after a restart, with ids that go on', async (t) => {
  const { dataDir, staging, node } = await place()
  node.onStage = () => 'ignore'
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  const job = await first.publish(staging, to)
  let lastId = 0
  for await (const event of job.progress()) {
    lastId = event.id
    if (event.type === 'progress') break
  }
  const closing = job.completed().catch((error: unknown) => error)
  await first.close()
  t.match(await closing, { code: 'ENGINE_ERR_CLOSING' })
  node.onStage = () => 'do'
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  const seen: number[] = []
  for await (const event of (await second.attach(job.id)).progress({ sinceId: lastId })) seen.push(event.id)
  t.ok(seen.length > 0 && seen.every((id, at) => id > (seen[at - 1] ?? lastId)))
  const all: string[] = []
  for await (const event of (await second.attach(job.id)).progress()) all.push(event.type)
  t.equal(all.at(-1), 'result')
  t.same(await collect(second, job.id, seen.at(-1) ?? 0), [], 'after the result there is nothing')
})

async function collect(coordinator: Coordinator, id: string, sinceId: number): Promise<string[]> {
  const types: string[] = []
  for await (const event of (await coordinator.attach(id)).progress({ sinceId })) types.push(event.type)
  return types
}

t.test('a live link that leads elsewhere is left alone, and the coordinator still opens', async (t) => {
  const { dataDir, staging, node } = await place()
  const first = await Coordinator.open({ dataDir })
  await node.connect(first.url)
  await (await first.publish(staging, to)).completed()
  await first.close()
  const live = join(dataDir, 'sites/www/live')
  await rm(live)
  await symlink('/somewhere', live)
  await using second = await Coordinator.open({ dataDir })
  t.ok(second.url)
  t.equal(await readlink(live), '/somewhere')
})
