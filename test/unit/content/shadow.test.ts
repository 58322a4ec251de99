// Goal: the shadow is an exact copy that is whole or not there. Method: the real addon on small trees.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Content } from '../../../src/content/index.js'
import { generateKey } from '../../../src/native/keys.js'
import { pack, scan } from '../../../src/native/content.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-shadow-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const never = new AbortController().signal

/** The pool's calls, made on this thread: the trees are tiny. */
const pool = {
  scan: async (options: Parameters<typeof scan>[0]) => scan(options, () => true),
  pack: async (options: Parameters<typeof pack>[0]) => pack(options, () => true),
}

let count = 0
async function openContent(): Promise<{ content: Content; staging: string }> {
  const directory = join(root, String(count++))
  const staging = join(directory, 'staging')
  await mkdir(staging, { recursive: true })
  const content = await Content.open({ directory: join(directory, 'data'), pool, keySeed: generateKey().seed })
  return { content, staging }
}

/** Scans and packs what `staging` holds as a release, and stages it on the shadow. */
async function release(content: Content, staging: string, number: number, base: number | null): Promise<string> {
  const { treeHash } = await content.scan({ jobId: `j${number}`, site: 'www', directory: staging, base }, {})
  const source = { jobId: `j${number}`, directory: staging, held: null }
  const order = { source, site: 'www', release: number, baseRelease: base, serial: number, chunkBytes: 0, nowMs: 1 }
  const { assignmentId } = await content.pack(order, {})
  const stage = { site: 'www', release: { release: number, treeHash }, baseRelease: base, assignmentId, serial: number }
  await content.shadow.stage(stage, never)
  await content.shadow.stage(stage, never)
  return treeHash
}

t.test('what cannot be published is named with the directory it is in', async (t) => {
  const { content, staging } = await openContent()
  await mkdir(join(staging, 'img'))
  execFileSync('mkfifo', [join(staging, 'img', 'pipe')])
  const scan = content.scan({ jobId: 'j', site: 'www', directory: staging, base: null }, {})
  await t.rejects(scan, {
    code: 'ENGINE_ERR_SPECIAL_FILE',
    message: `${staging}/img/pipe is a named pipe; only files, directories and links are published`,
    details: { directory: staging, kind: 'named pipe' },
  })

  await rm(join(staging, 'img'), { recursive: true })
  await writeFile(join(staging, 'a'), 'one')
  await content.scan({ jobId: 'j', site: 'www', directory: staging, base: null }, {})
  await writeFile(join(staging, 'a'), 'changed since it was scanned')
  const source = { jobId: 'j', directory: staging, held: null }
  const order = { source, site: 'www', release: 1, baseRelease: null, serial: 1, chunkBytes: 0, nowMs: 1 }
  await t.rejects(content.pack(order, {}), {
    code: 'ENGINE_ERR_FILE_CHANGING',
    message: `${staging}/a changed each time it was read`,
  })
})

t.test('a release is staged, switched to, and built upon', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  const first = await release(content, staging, 1, null)
  t.ok(await content.holds('www', { release: 1, treeHash: first }))
  t.notOk(await content.holds('www', { release: 1, treeHash: 'f'.repeat(64) }))
  t.equal(content.shadow.live('www'), null)
  await content.shadow.switchTo('www', 1)
  await writeFile(join(staging, 'a'), 'two')
  const second = await release(content, staging, 2, 1)
  t.not(second, first)
  await content.shadow.switchTo('www', 2)
  await content.shadow.switchTo('www', 2)
  t.equal(content.shadow.live('www'), 2)
  t.equal(await readFile(join(content.paths.site('www'), 'live', 'a'), 'utf8'), 'two')
})

t.test('what is live is never dropped; what is dropped counts for nothing', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  const treeHash = await release(content, staging, 1, null)
  await content.shadow.switchTo('www', 1)
  await content.shadow.drop('www', 1)
  t.ok(await content.holds('www', { release: 1, treeHash }))
  await writeFile(join(staging, 'a'), 'two')
  const next = await release(content, staging, 2, 1)
  await content.shadow.drop('www', 2)
  t.notOk(await content.holds('www', { release: 2, treeHash: next }))
  t.notOk(existsSync(content.paths.release('www', 2)))
})

t.test('a release that several drop at once is gone for all of them', async (t) => {
  const { content, staging } = await openContent()
  await Promise.all(Array.from({ length: 500 }, (_, at) => writeFile(join(staging, `f${at}`), 'x')))
  await release(content, staging, 1, null)
  await Promise.all(Array.from({ length: 4 }, () => content.shadow.drop('www', 1)))
  t.notOk(existsSync(content.paths.release('www', 1)))
  await content.shadow.drop('www', 1)
})

t.test('a promise that is not kept leaves nothing that counts', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  await content.scan({ jobId: 'j', site: 'www', directory: staging, base: null }, {})
  const source = { jobId: 'j', directory: staging, held: null }
  const order = { source, site: 'www', release: 1, baseRelease: null, serial: 1, chunkBytes: 0, nowMs: 1 }
  const { assignmentId } = await content.pack(order, {})
  const wrong = { release: 1, treeHash: 'f'.repeat(64) }
  const stage = { site: 'www', release: wrong, baseRelease: null, assignmentId, serial: 1 }
  await t.rejects(content.shadow.stage(stage, never), { code: 'ENGINE_ERR_TREE_MISMATCH' })
  t.notOk(await content.holds('www', wrong))
  await writeFile(content.paths.stream(1), 'not an assignment')
  await t.rejects(content.shadow.stage(stage, never), { code: 'ENGINE_ERR_ASSIGNMENT_CORRUPT' })
  const stopped = AbortSignal.abort(new Error('stopped'))
  await t.rejects(content.shadow.stage(stage, stopped), { message: 'stopped' })
})

t.test('a damaged manifest makes a release count for nothing', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  const treeHash = await release(content, staging, 1, null)
  await writeFile(content.paths.tree('www', 1), 'torn')
  t.notOk(await content.holds('www', { release: 1, treeHash }))
})

t.test('a release that cannot be packed from the shadow is damaged: no writer is blamed for it', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  const treeHash = await release(content, staging, 1, null)
  const order = {
    source: 'shadow',
    site: 'www',
    release: 1,
    baseRelease: null,
    serial: 2,
    chunkBytes: 0,
    nowMs: 1,
  } as const
  const why = async (): Promise<unknown> => {
    const error: unknown = await content.pack(order, {}).catch((caught: unknown) => caught)
    t.match(error, { code: 'ENGINE_ERR_SHADOW_DAMAGED', details: { site: 'www', release: 1 }, hint: /publish/ })
    return error instanceof Error ? error.message : null
  }
  await writeFile(join(content.paths.release('www', 1), 'a'), 'two')
  t.equal(await why(), "the coordinator's own copy of www@1 is damaged: 'a' is not what was staged")
  await writeFile(content.paths.tree('www', 1), 'torn')
  t.match(await why(), /list of what a release holds|manifest/)
  await content.shadow.disown('www', 1)
  t.match(await why(), /its list of files is gone/)
  t.notOk(await content.holds('www', { release: 1, treeHash }))
  t.strictSame(await content.shadow.standing('www'), [1], 'its tree stays')
})

t.test('a sweep removes our own leftovers and nothing else', async (t) => {
  const { content, staging } = await openContent()
  await writeFile(join(staging, 'a'), 'one')
  await release(content, staging, 1, null)
  await mkdir(content.paths.release('www', 8), { recursive: true })
  await mkdir(join(content.paths.site('www'), 'releases', 'keep'))
  await mkdir(join(content.paths.site('www'), 'releases', '.staging-8'))
  for (const name of ['7.tree', 'notes']) await writeFile(join(content.paths.site('www'), 'trees', name), 'torn')
  await writeFile(content.paths.stream(9), 'torn')
  await writeFile(join(content.paths.assignments, 'notes'), 'mine')
  await content.sweep(new Set([1]))
  await content.shadow.sweep('www', new Set([1]))
  await content.shadow.sweep('nobody', new Set())
  t.same((await readdir(content.paths.assignments)).sort(), ['1.stream', '1.vouch', 'notes'])
  t.same((await readdir(join(content.paths.site('www'), 'releases'))).sort(), ['1', 'keep'])
  t.same((await readdir(join(content.paths.site('www'), 'trees'))).sort(), ['1.tree', 'notes'])
  t.same(await readdir(content.paths.work), [])
})

t.test('a data directory that cannot be made is named', async (t) => {
  await writeFile(join(root, 'file'), '')
  const opening = Content.open({ directory: join(root, 'file'), pool, keySeed: generateKey().seed })
  await t.rejects(opening, { code: 'ENGINE_ERR_DATA_DIR_UNWRITABLE' })
})
