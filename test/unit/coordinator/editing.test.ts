// Goal: edits are numbered commands like others, gather into one release over what is live, and cost what they change;
// one that cannot be changes nothing. Method: a real coordinator and its copy on disk; nodes that answer as real ones.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Client } from '../../../src/control/client.js'
import { Coordinator } from '../../../src/coordinator.js'
import type { EditRequest } from '../../../src/model/edit.js'
import type { CommandRequest, JobView } from '../../../src/model/job.js'
import { blake3 } from '../../../src/native/keys.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-editing-'))
t.teardown(() => rm(root, { recursive: true, force: true }))

const commit: CommandRequest = { type: 'commit' }
const end: CommandRequest = { type: 'end-job' }
const site = 'www'
const to = { site, group: 'edge' } as const

let count = 0
/** A coordinator that has published eight files to two nodes. */
async function place() {
  const directory = join(root, String(count++))
  const [staging, dataDir] = [join(directory, 'staging'), join(directory, 'data')]
  await mkdir(join(staging, 'many'), { recursive: true })
  for (let i = 0; i < 7; i++) await writeFile(join(staging, 'many', String(i)), 'x'.repeat(100_000))
  await writeFile(join(staging, 'index.html'), 'hello\n')
  await chmod(join(staging, 'index.html'), 0o600)
  const coordinator = await Coordinator.open({ dataDir })
  const nodes = ['one', 'two'].map((name) => new FakeNode({ name }))
  for (const node of nodes) await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  const live = join(dataDir, 'sites', site, 'live')
  return { coordinator, dataDir, nodes, live, staging }
}

const put = async (coordinator: Coordinator, path: string, text: string): Promise<EditRequest> => {
  const { digest, sizeBytes } = await new Client({ url: coordinator.url }).uploads.putContent(site, new Blob([text]))
  return { type: 'put', path, digest, sizeBytes, mode: null, mtimeNs: null, parents: true }
}
const mkdirAt = (path: string): EditRequest => ({ type: 'mkdir', path, mode: null, parents: false })
const removeAt = (path: string, recursive = false): EditRequest => ({ type: 'remove', path, recursive })
const states = ({ commands }: JobView): readonly string[] =>
  commands.map(({ number, request, state }) => `${number} ${request.type} ${state}`)

t.test('edits of one session before a commit make one release, which costs what they change', async (t) => {
  const { coordinator, nodes, live } = await place()
  await using _ = coordinator
  const edits: readonly EditRequest[] = [
    await put(coordinator, 'a/b/new.txt', 'new\n'),
    await put(coordinator, 'index.html', 'hello again\n'),
    mkdirAt('empty'),
    { type: 'set-properties', path: 'many/0', mode: '400', mtimeNs: '1700000000123456789', create: false },
    removeAt('many/1'),
  ]
  const job = await coordinator.files.edit(site, edits)
  const done = await job.completed()
  t.match(done, { state: 'succeeded', release: 2, baseRelease: 1 })
  t.match(done.changes, { filesAdded: 1, filesChanged: 2, filesDeleted: 1, fileCount: 8 })
  t.ok((done.assignment?.streamBytes ?? 0) < 20_000, 'the 700 KB that did not change were not sent')
  t.same(states(done), [
    ...['1 put completed', '2 put completed', '3 mkdir completed', '4 set-properties completed', '5 remove completed'],
    ...['6 commit completed', '7 end-job completed'],
  ])
  for (const command of await coordinator.commands(job.id)) {
    t.match(command.nodes, [{ state: 'completed' }, { state: 'completed' }], command.request.type)
  }
  for (const node of nodes) t.equal(node.live(site)?.release, 2)
  t.equal(await readFile(join(live, 'a/b/new.txt'), 'utf8'), 'new\n')
  t.equal(await readFile(join(live, 'index.html'), 'utf8'), 'hello again\n')
  t.equal((await stat(join(live, 'index.html'))).mode & 0o777, 0o600, 'a mode that nobody names stays')
  t.same(await readdir(join(live, 'empty')), [])
  const many = await stat(join(live, 'many/0'), { bigint: true })
  t.same([many.mode & 0o777n, many.mtimeNs], [0o400n, 1_700_000_000_123_456_789n])
  t.same(await readdir(join(live, 'many')), ['0', '2', '3', '4', '5', '6'])
  t.match(await coordinator.history(site), [{ commands: [...edits.map(({ type }) => type), 'commit'] }, {}])
})

t.test('an edit that cannot be fails by its own number, and nothing of the others is done', async (t) => {
  const { coordinator, live } = await place()
  await using _ = coordinator
  const job = await coordinator.files.edit(site, [mkdirAt('a'), removeAt('none'), mkdirAt('b')])
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_PATH_UNKNOWN' })
  t.match(states(await coordinator.job(job.id)), ['1 mkdir completed', '2 remove failed', '3 mkdir new'])
  t.same((await readdir(live)).sort(), ['index.html', 'many'])
  const above = await put(coordinator, '../x', 'x')
  await t.rejects(coordinator.files.edit(site, [above]), { code: 'ENGINE_ERR_PATH_ESCAPES' })
  const digest = blake3(Buffer.from('never sent'))
  const unsent = { ...(await put(coordinator, 'x', 'x')), digest, sizeBytes: 10 } as EditRequest
  await t.rejects((await coordinator.files.edit(site, [unsent])).completed(), {
    code: 'ENGINE_ERR_CONTENT_MISSING',
    message: /of x/,
  })
  await (await coordinator.files.edit(site, [mkdirAt('a')])).completed()
  t.equal((await coordinator.history(site))[0]?.toRelease, 2, 'what failed has taken no number')
})

t.test('edits that follow what is staged already are in one release with it', async (t) => {
  const { coordinator, live, nodes } = await place()
  await using _ = coordinator
  const job = await coordinator.openJob({ site, commands: [mkdirAt('a')] })
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  await t.rejects(job.add({ type: 'publish', directory: '/tmp', upload: null }), {
    code: 'ENGINE_ERR_INVALID_ARGUMENT',
  })
  await t.rejects(job.end(), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await job.add(await put(coordinator, 'a/x', 'x'))
  await until('both are staged', async () => (await coordinator.job(job.id)).commands[1]?.state === 'completed')
  t.notOk((await readdir(live)).includes('a'), 'nothing has switched')
  await job.add(commit, { type: 'set-properties', path: 'a/x', mode: '600', mtimeNs: null, create: false }, commit, end)
  t.match(await job.completed(), { state: 'succeeded', release: 4, baseRelease: 3 })
  t.equal((await stat(join(live, 'a/x'))).mode & 0o777, 0o600)
  for (const node of nodes) t.equal(node.live(site)?.release, 4)
  for (const command of await coordinator.commands(job.id)) {
    t.match(command.nodes, [{ state: 'completed' }, { state: 'completed' }], `${command.number}`)
  }
})

t.test('what is staged by edits outlives the coordinator', async (t) => {
  const { coordinator, dataDir, live, nodes } = await place()
  const job = await coordinator.files.edit(site, [mkdirAt('a'), await put(coordinator, 'a/x', 'x')], {
    stageOnly: true,
  })
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  await coordinator.close()
  await using again = await Coordinator.open({ dataDir })
  for (const node of nodes) await node.connect(again.url)
  await again.commit(job.id)
  t.match(await (await again.attach(job.id)).completed(), { state: 'succeeded', release: 2 })
  t.equal(await readFile(join(live, 'a/x'), 'utf8'), 'x')
})

t.test('files named one by one are meant; of a directory the guard counts what goes', async (t) => {
  const { coordinator } = await place()
  await using _ = coordinator
  await t.rejects((await coordinator.files.remove({ site, path: 'many' }, { recursive: true })).completed(), {
    code: 'ENGINE_ERR_MASS_DELETE',
  })
  const few = Array.from({ length: 5 }, (__, i) => removeAt(`many/${i}`))
  t.match(await (await coordinator.files.edit(site, few)).completed(), { changes: { filesDeleted: 5, fileCount: 3 } })
  const all = await coordinator.files.edit(site, [removeAt('many', true), removeAt('index.html')], {
    maxDeleteRatio: 1,
  })
  await t.rejects(all.completed(), { code: 'ENGINE_ERR_EMPTY_SOURCE' })
})

t.test('edits that change nothing bring nothing, and a site may begin with them', async (t) => {
  const { coordinator } = await place()
  await using _ = coordinator
  const same = await coordinator.files.chmod({ site, path: 'index.html' }, '600')
  t.match(await same.completed(), { state: 'succeeded', release: 1, assignment: null })
  const first = await coordinator.files.mkdir({ site: 'fresh', path: 'a/b' }, { group: 'edge', parents: true })
  t.match(await first.completed(), { state: 'succeeded', release: 1, baseRelease: null })
  const touched = await coordinator.files.touch({ site: 'fresh', path: 'a/x' }, { mtimeNs: '5' })
  t.match(await touched.completed(), { state: 'succeeded', release: 2, changes: { filesAdded: 1 } })
})

t.test('contents that a job has put are kept no longer than it needs them', async (t) => {
  const { coordinator, dataDir } = await place()
  await using _ = coordinator
  const blobs = (): Promise<string[]> => readdir(join(dataDir, 'uploads', site, 'blobs'))
  const job = await coordinator.files.put({ site, path: 'x' }, new Blob(['content']), { stageOnly: true })
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  t.same(await blobs(), [blake3(Buffer.from('content'))])
  await coordinator.commit(job.id)
  await job.completed()
  await until('it is gone', async () => (await blobs()).length === 0)
})

t.test('a file that is put again under one key is one job, and its bytes are not kept for it', async (t) => {
  const { coordinator, dataDir } = await place()
  await using _ = coordinator
  const client = new Client({ url: coordinator.url })
  const ask = async (): Promise<JobView> => {
    const headers = { 'idempotency-key': 'once', 'content-type': 'application/octet-stream' }
    const url = `${coordinator.url}/v1/sites/${site}/files/a.txt`
    return (await fetch(url, { method: 'PUT', headers, body: 'bytes' })).json() as Promise<JobView>
  }
  const { id } = await ask()
  await (await client.attach(id)).completed()
  const contents = (): Promise<string[]> => readdir(join(dataDir, 'uploads', site, 'blobs'))
  await until('what was put is let go of', async () => (await contents()).length === 0)
  t.equal((await ask()).id, id)
  t.same(await contents(), [])
})
