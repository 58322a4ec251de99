// Goal: the coordinator brings releases to nodes and keeps its promises when something goes wrong.
// Method: a real coordinator (database, addon, HTTP) and nodes that only speak the channel.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ControlServer } from '../../src/control/server.js'
import { Coordinator } from '../../src/coordinator.js'
import { FakeNode } from '../support/fake-node.js'
import { until } from '../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-coordinator-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

let count = 0
/** A directory of its own for a test, with a staging tree of `files` files that say `text`. */
async function place(files = 4, text = 'one'): Promise<{ dataDir: string; staging: string }> {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  await fill(staging, files, text)
  return { dataDir: join(directory, 'data'), staging }
}

async function fill(staging: string, files: number, text: string): Promise<void> {
  for (let at = 0; at < files; at++) await writeFile(join(staging, `page-${at}.html`), `${text} ${at}\n`.repeat(50))
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => [])
}

async function connected(url: string, ...nodes: FakeNode[]): Promise<void> {
  for (const node of nodes) await node.connect(url)
}

const to = { site: 'www', group: 'edge' } as const

t.test('a publish goes to all nodes, which switch after the decision, and is on record', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const [one, two] = [new FakeNode({ name: 'one' }), new FakeNode({ name: 'two' })]
  await connected(coordinator.url, one, two)
  const job = await coordinator.publish(staging, to)
  const states: string[] = []
  for await (const event of job.progress()) if (event.type !== 'progress') states.push(event.job.state)
  const view = await job.completed()
  t.match(view, { state: 'succeeded', release: 1, error: null, changes: { filesAdded: 4, fileCount: 4 } })
  t.same([...new Set(states)], ['queued', 'packing', 'distributing', 'committing', 'succeeded'])
  for (const node of [one, two]) {
    t.equal(node.live('www')?.release, 1)
    t.equal(node.messages('stage').length, 1)
    t.equal(node.messages('commit').length, 1)
    await until('every report is acknowledged', () => node.messages('ack').length === 3)
  }
  const receipts = (await coordinator.receipts(job.id)).map(
    ({ nodeName, command, kind }) => `${nodeName} ${command} ${kind}`,
  )
  t.same(receipts.sort(), [
    'one commit completion',
    'one publish completion',
    'one publish receipt',
    'two commit completion',
    'two publish completion',
    'two publish receipt',
  ])
  t.match(await coordinator.sites(), [{ site: 'www', targetRelease: 1, nodesLive: 2, nodeCount: 2, releases: [1] }])
  t.match(await coordinator.nodes(), [{ name: 'one', online: true, reason: null }, { name: 'two' }])
  t.match(await readFile(join(dataDir, 'sites/www/live/page-0.html'), 'utf8'), /^one 0/)
})

t.test('a difference goes to who holds its base, the whole to who is new, in one job', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const old = new FakeNode({ name: 'old' })
  await old.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const late = new FakeNode({ name: 'late', onStage: () => 'ignore' })
  await late.connect(coordinator.url)
  // It came to a site that is live: it is brought there, but does not get to it before the next publish.
  await until('the newcomer is told', () => late.messages('stage').length === 1)
  await late.disconnect()
  late.onStage = () => 'do'
  await fill(staging, 4, 'two')
  const job = await coordinator.publish(staging, { ...to, stageOnly: true })
  await until('the difference is on its way', () => old.messages('stage').length === 2)
  await late.connect(coordinator.url)
  await until('both hold it', async () => {
    const { nodes } = await coordinator.job(job.id)
    return nodes.length === 2 && nodes.every((node) => node.state === 'staged')
  })
  t.match(old.messages('stage').at(-1), { release: 2, base: { release: 1 } })
  t.match(late.messages('stage').at(-1), { release: 2, base: null })
  t.equal(old.live('www')?.release, 1, 'nothing switches before the commit')
  await until('it waits for its commit', async () => (await coordinator.job(job.id)).state === 'staged')
  t.equal((await coordinator.commit(job.id)).id, job.id)
  t.equal((await job.completed()).state, 'succeeded')
  t.equal(late.live('www')?.release, 2)
  t.same((await coordinator.sites())[0]?.releases, [2, 1])
})

t.test('publishing what is live already sends no content, and every node says that it serves it', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const again = await (await coordinator.publish(staging, to)).completed()
  t.match(again, { state: 'succeeded', release: 1, assignment: null, changes: { filesAdded: 0, filesDeleted: 0 } })
  t.equal(node.messages('stage').length, 1)
  t.equal(node.messages('commit').length, 2)
  t.match(await coordinator.receipts(again.id), [{ command: 'commit', kind: 'completion', nodeName: 'one' }])
  await until('its scan is gone', async () => (await filesBelow(join(dataDir, 'work'))).length === 0)
})

t.test('a guard refuses mass deletion and an empty directory, and nothing changes', async (t) => {
  const { dataDir, staging } = await place(8)
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  for (let at = 0; at < 3; at++) await rm(join(staging, `page-${at}.html`))
  await t.rejects((await coordinator.publish(staging, to)).completed(), { code: 'ENGINE_ERR_MASS_DELETE' })
  await rm(staging, { recursive: true })
  await mkdir(staging)
  await t.rejects((await coordinator.publish(staging, to)).completed(), { code: 'ENGINE_ERR_EMPTY_SOURCE' })
  await rm(staging, { recursive: true })
  await t.rejects(coordinator.publish(staging, to), { code: 'ENGINE_ERR_SOURCE_MISSING' })
  t.match(await coordinator.sites(), [{ targetRelease: 1, nodesLive: 1, releases: [1] }])
  t.equal(node.messages('stage').length, 1)
})

t.test('a guard refuses mass deletion also when the shadow of what is live is lost', async (t) => {
  const { dataDir, staging } = await place(8)
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await rm(join(dataDir, 'sites/www/trees'), { recursive: true })
  for (let at = 1; at < 8; at++) await rm(join(staging, `page-${at}.html`))
  await t.rejects((await coordinator.publish(staging, to)).completed(), {
    code: 'ENGINE_ERR_MASS_DELETE',
    message: /7 of 8 files/,
  })
  t.match(await coordinator.sites(), [{ targetRelease: 1, nodesLive: 1 }])
  const meant = await (await coordinator.publish(staging, { ...to, maxDeleteRatio: 1 })).completed()
  t.match(meant, { state: 'succeeded', baseRelease: null, changes: { fileCount: 1 } })
})

t.test('a server that fails to close keeps nothing else open', async (t) => {
  const { dataDir } = await place()
  const coordinator = await Coordinator.open({ dataDir })
  const { close } = ControlServer.prototype
  let failures = 0
  ControlServer.prototype.close = async function closeBadly(this: ControlServer): Promise<void> {
    await close.call(this)
    failures += 1
    throw new Error('it did not close')
  }
  t.teardown(() => {
    ControlServer.prototype.close = close
  })
  await coordinator.close()
  ControlServer.prototype.close = close
  t.ok(failures > 0)
  await using again = await Coordinator.open({ dataDir })
  t.equal(again.id, coordinator.id)
})

t.test('a job for a group without nodes is refused, and leaves nothing', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  await t.rejects(coordinator.publish(staging, to), { code: 'ENGINE_ERR_GROUP_EMPTY' })
  t.same(await coordinator.jobs(), [])
  t.same(await coordinator.sites(), [])
})

t.test('too few that can stage it: nothing is switched, and all is cleaned up', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'no space left for it', hint: 'free some' }
  const nodes = ['a', 'b', 'c'].map((name) => new FakeNode({ name, onStage: () => (name === 'a' ? 'do' : error) }))
  await connected(coordinator.url, ...nodes)
  const job = await coordinator.publish(staging, to)
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_QUORUM' })
  const view = await coordinator.job(job.id)
  const others = view.nodes.filter(({ name }) => name !== 'a')
  t.match(others, [{ state: 'failed', reason: 'no space left for it' }, { state: 'failed' }])
  await until('who staged it is told to drop it', () => nodes[0]?.messages('discard').length === 1)
  t.equal(nodes[0]?.messages('commit').length, 0)
  t.match(await coordinator.sites(), [{ targetRelease: null, releases: [] }])
  await until('its files are gone', async () => (await filesBelow(join(dataDir, 'assignments'))).length === 0)
})

t.test('who fails is left behind with its reason while the others switch, and tried again later', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'no space left for it', hint: 'free some' }
  const good = new FakeNode({ name: 'good' })
  const full = new FakeNode({ name: 'full', onStage: () => error })
  await connected(coordinator.url, good, full)
  const view = await (await coordinator.publish(staging, to)).completed()
  t.match(view, { state: 'partial', error: { code: 'ENGINE_ERR_NODES_BEHIND', message: /1 of 2 nodes.*full/ } })
  t.equal(good.live('www')?.release, 1)
  t.match(await coordinator.nodes(), [{ name: 'full', reason: /www@1 is missing: no space left/ }, { reason: null }])
  full.onStage = () => 'do'
  await until('it gets there once it can', () => full.live('www')?.release === 1)
})

t.test('a difference that does not work on a node is replaced by the whole', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const error = { code: 'ENGINE_ERR_BASE_MISSING', message: 'the base is gone', hint: '' }
  node.onStage = (stage) => (stage.base === null ? 'do' : error)
  await fill(staging, 4, 'two')
  t.equal((await (await coordinator.publish(staging, to)).completed()).state, 'succeeded')
  t.same(
    node.messages('stage').map((stage) => stage.base?.release ?? null),
    [null, 1, null],
  )
})

t.test('a node that was away gets what it missed when it returns', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const [here, away] = [new FakeNode({ name: 'here' }), new FakeNode({ name: 'away' })]
  await connected(coordinator.url, here, away)
  await (await coordinator.publish(staging, to)).completed()
  await away.disconnect()
  await fill(staging, 4, 'two')
  const job = await coordinator.publish(staging, to)
  const view = await job.completed()
  t.match(view, { state: 'partial', nodes: [{ name: 'away', state: 'behind', reason: /has not answered for/ }, {}] })
  t.match(await coordinator.nodes(), [{ online: false, reason: /has not answered.*www@2 is missing/ }, {}])
  await away.connect(coordinator.url)
  await until('it serves the release', () => away.live('www')?.release === 2)
  t.match(away.messages('stage').at(-1), { base: { release: 1 }, jobId: job.id })
})

t.test('an abort before the decision leaves what is live, and the next job goes on', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one', onStage: () => 'ignore' })
  await node.connect(coordinator.url)
  const job = await coordinator.publish(staging, to)
  const next = await coordinator.publish(staging, to)
  await until('the node is told', () => node.messages('stage').length === 1)
  t.equal((await coordinator.job(next.id)).state, 'queued', 'one job a site at a time')
  node.onStage = () => 'do'
  t.equal((await coordinator.abort(job.id)).state, 'aborted')
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_JOB_ABORTED' })
  await t.rejects(coordinator.abort(job.id), { code: 'ENGINE_ERR_JOB_STATE' })
  await t.rejects(coordinator.commit(job.id), { code: 'ENGINE_ERR_JOB_STATE' })
  t.match(await next.completed(), { state: 'succeeded', release: 2 })
  t.equal(node.live('www')?.release, 2)
})

t.test('a queued job can be aborted while another holds its site', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  const held = await coordinator.publish(staging, { ...to, stageOnly: true })
  const waiting = await coordinator.publish(staging, to)
  t.equal((await coordinator.abort(waiting.id)).state, 'aborted')
  await until('the first is not touched', async () => (await coordinator.job(held.id)).state === 'staged')
  const other = await coordinator.publish(staging, { site: 'docs', group: 'edge' })
  t.equal((await other.completed()).state, 'succeeded', 'another site does not wait')
})

t.test(
  'a rollback switches without sending and holds the site with its reason; a publish goes on after the resume',
  async (t) => {
    const { dataDir, staging } = await place()
    await using coordinator = await Coordinator.open({ dataDir })
    const node = new FakeNode({ name: 'one' })
    await node.connect(coordinator.url)
    await t.rejects(coordinator.rollback({ ...to, reason: 'nothing there' }), { code: 'ENGINE_ERR_SITE_UNKNOWN' })
    await (await coordinator.publish(staging, to)).completed()
    await fill(staging, 4, 'two')
    await (await coordinator.publish(staging, to)).completed()
    const back = await (await coordinator.rollback({ ...to, reason: 'broken menu' })).completed()
    t.match(back, {
      commands: [{ request: { type: 'rollback' } }, {}],
      state: 'succeeded',
      release: 1,
      reason: 'broken menu',
      assignment: null,
    })
    t.equal(node.live('www')?.release, 1)
    t.equal(node.messages('stage').length, 2, 'nothing was sent')
    t.match(node.messages('commit').at(-1), { command: 'rollback', release: 1 })
    t.match(await coordinator.sites(), [{ targetRelease: 1, holdReason: 'broken menu' }])
    t.match(await readFile(join(dataDir, 'sites/www/live/page-0.html'), 'utf8'), /^one 0/)
    const unknown = await coordinator.rollback({ ...to, reason: 'further', release: 9 })
    await t.rejects(unknown.completed(), { code: 'ENGINE_ERR_RELEASE_UNKNOWN' })
    const oldest = await coordinator.rollback({ ...to, reason: 'further' })
    const message = /no release of www to go back to/
    await t.rejects(oldest.completed(), { code: 'ENGINE_ERR_RELEASE_UNKNOWN', message })
    await fill(staging, 4, 'three')
    const held = { code: 'ENGINE_ERR_SITE_HELD', message: /broken menu/, hint: /engine resume --site www/ }
    await t.rejects(coordinator.publish(staging, to), held)
    await coordinator.resume({ site: 'www' })
    t.match(await (await coordinator.publish(staging, to)).completed(), {
      state: 'succeeded',
      release: 3,
      baseRelease: 1,
    })
    t.match(await coordinator.sites(), [{ targetRelease: 3, holdReason: null }])
  },
)

t.test('only the last releases and their assignments are kept', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  for (const text of ['one', 'two', 'three', 'four', 'five']) {
    await fill(staging, 4, text)
    await (await coordinator.publish(staging, to)).completed()
  }
  await until('old ones are dropped', async () => (await coordinator.sites())[0]?.releases.join() === '5,4,3')
  await until('with their trees', async () => (await filesBelow(join(dataDir, 'sites/www/releases'))).length === 3)
  await until('and files', async () => (await filesBelow(join(dataDir, 'assignments'))).length === 6)
})

t.test('two coordinators in one process do not meet; one directory takes only one', async (t) => {
  const [first, second] = [await place(), await place()]
  await using one = await Coordinator.open({ dataDir: first.dataDir })
  await using other = await Coordinator.open({ dataDir: second.dataDir })
  t.not(one.id, other.id)
  const node = new FakeNode({ name: 'same' })
  const twin = new FakeNode({ name: 'same' })
  await node.connect(one.url)
  await twin.connect(other.url)
  const jobs = await Promise.all([one.publish(first.staging, to), other.publish(second.staging, to)])
  t.same(await Promise.all(jobs.map(async (job) => (await job.completed()).state)), ['succeeded', 'succeeded'])
  t.equal((await one.jobs()).length, 1)
  await t.rejects(Coordinator.open({ dataDir: first.dataDir }), { code: 'ENGINE_ERR_DATA_DIR_IN_USE' })
  await t.rejects(Coordinator.open({ dataDir: join(root, 'x'), listen: one.address }), {
    code: 'ENGINE_ERR_PORT_IN_USE',
  })
})

t.test('what is asked wrongly is refused before a job is made', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  await t.rejects(coordinator.publish(staging, { site: '../etc', group: 'edge' }), {
    code: 'ENGINE_ERR_INVALID_ARGUMENT',
  })
  await t.rejects(coordinator.publish(staging, { ...to, quorum: 2 }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(coordinator.job('nobody'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  await t.rejects(coordinator.abort('nobody'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  await t.rejects(coordinator.receipts('nobody'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  await t.rejects(Coordinator.open({ dataDir: join(root, 'y'), listen: { host: '0.0.0.0' } }), {
    code: 'ENGINE_ERR_INSECURE_LISTEN',
  })
  t.same(await coordinator.jobs(), [])
  t.same(await coordinator.sites(), [])
})

t.test('a site belongs to the group of its jobs and of what is live, not to a slip in the name', async (t) => {
  const { dataDir, staging } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const [node, other] = [new FakeNode({ name: 'one' }), new FakeNode({ name: 'two', groups: ['other'] })]
  await connected(coordinator.url, node, other)
  const later = { startAtMs: 1 }
  const slip = await coordinator.publish(staging, { ...to, ...later, group: 'egde' })
  await t.rejects(slip.completed(), { code: 'ENGINE_ERR_GROUP_EMPTY' })
  const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /belongs to group edge/ }
  const job = await coordinator.publish(staging, { ...to, stageOnly: true })
  await t.rejects(coordinator.publish(staging, { ...to, group: 'other' }), refused, 'a job holds it')
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  await coordinator.commit(job.id)
  t.equal((await job.completed()).state, 'succeeded')
  t.match(await coordinator.sites(), [{ site: 'www', group: 'edge', nodesLive: 1, nodeCount: 1 }])
  await t.rejects(coordinator.publish(staging, { ...to, group: 'other' }), refused, 'something of it is live')
  await t.rejects(coordinator.rollback({ ...to, group: 'other', reason: 'x' }), refused)
  t.equal(other.messages('stage').length, 0)
})

t.test('the name of a node belongs to it, also while it is away', async (t) => {
  const { dataDir } = await place()
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  t.match(await node.connect(coordinator.url), { type: 'welcome', coordinatorId: coordinator.id })
  await node.disconnect()
  const thief = new FakeNode({ name: 'one', id: 'f'.repeat(32) })
  t.match(await thief.connect(coordinator.url), { type: 'refuse', code: 'ENGINE_ERR_NODE_NAME_TAKEN' })
})
