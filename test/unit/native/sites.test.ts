// Goal: an assignment becomes a release, whole or not at all, and `live` moves at once. Method: real streams on disk.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Applying, listReleases, pruneReleases, readLive, removeTree, switchLive } from '../../../src/native/sites.js'
import { noise, type Packed, packTree, writeTree } from '../../support/assignments.js'

interface Order {
  readonly site: string
  readonly packed: Packed
  readonly base?: number
}

/** Executes a whole stream into `<site>/releases/<serial>`. */
function apply({ site, packed, base }: Order): Applying {
  return new Applying({
    streamPath: packed.streamPath,
    assignmentId: packed.assignmentId,
    baseDirectory: base === undefined ? null : join(site, 'releases', String(base)),
    baseTreePath: base === undefined ? null : join(site, 'trees', `${base}.tree`),
    targetDirectory: join(site, 'releases', String(packed.serial)),
    treePath: join(site, 'trees', `${packed.serial}.tree`),
  })
}

function makeRelease(
  directory: string,
  release: number,
  files: Record<string, string | Buffer>,
  base?: Packed,
): Packed {
  writeTree(directory, files)
  return packTree({ directory, release, ...(base ? { base } : {}) })
}

const big = noise(3, 200_000)

t.test('a release is staged from a whole stream, and the next one from the difference', async (t) => {
  const root = t.testdir({})
  const site = join(root, 'data')
  const first = makeRelease(join(root, 'one'), 1, { 'a.txt': 'a', 'big.bin': big })
  const done = await apply({ site, packed: first }).result()
  t.match(done, { treeHash: first.treeHash, filesWritten: 2, bytesWritten: 200_001 })
  t.ok(readFileSync(join(site, 'releases/1/big.bin')).equals(big))

  execFileSync('cp', ['-a', first.directory, join(root, 'two')])
  const base = { ...first, directory: join(site, 'releases/1') }
  const second = makeRelease(join(root, 'two'), 2, { 'a.txt': 'changed' }, base)
  const next = await apply({ site, packed: second, base: 1 }).result()
  t.match(next, { treeHash: second.treeHash, filesWritten: 1, filesShared: 1 })
  t.equal(readFileSync(join(site, 'releases/2/a.txt'), 'utf8'), 'changed')
  t.equal(readFileSync(join(site, 'releases/1/a.txt'), 'utf8'), 'a')
  t.strictSame(listReleases(site), [1, 2])
})

t.test('live moves by one switch, and only to a release that is held', async (t) => {
  const root = t.testdir({})
  const site = join(root, 'data')
  await apply({ site, packed: makeRelease(join(root, 'one'), 1, { a: '1' }) }).result()
  t.equal(readLive(site), null)
  await t.rejects(switchLive(site, 9), { code: 'ENGINE_ERR_RELEASE_UNKNOWN' })
  t.equal(readLive(site), null)
  await switchLive(site, 1)
  t.equal(readLive(site), 1)
  t.equal(readlinkSync(join(site, 'live')), 'releases/1')
})

t.test('a corrupt stream gives its code, and nothing of it is left', async (t) => {
  const root = t.testdir({})
  const site = join(root, 'data')
  const packed = makeRelease(join(root, 'one'), 1, { 'big.bin': big })
  const stream = readFileSync(packed.streamPath)
  const middle = Math.floor(stream.length / 2)
  stream.writeUInt8(stream.readUInt8(middle) ^ 1, middle)
  writeFileSync(packed.streamPath, stream)
  await t.rejects(apply({ site, packed }).result(), { code: /ENGINE_ERR_(ASSIGNMENT_CORRUPT|DIGEST_MISMATCH)/ })
  t.strictSame(listReleases(site), [])
  t.notOk(existsSync(join(site, 'releases/1')))
})

t.test('a stream cut short gives its code', async (t) => {
  const root = t.testdir({})
  const packed = makeRelease(join(root, 'one'), 1, { 'big.bin': big })
  writeFileSync(packed.streamPath, readFileSync(packed.streamPath).subarray(0, 100_000))
  await t.rejects(apply({ site: join(root, 'data'), packed }).result(), { code: 'ENGINE_ERR_ASSIGNMENT_CORRUPT' })
})

t.test("another assignment's stream is refused", async (t) => {
  const root = t.testdir({})
  const packed = makeRelease(join(root, 'one'), 1, { a: '1' })
  const other = { ...packed, assignmentId: '00'.repeat(16) }
  await t.rejects(apply({ site: join(root, 'data'), packed: other }).result(), {
    code: 'ENGINE_ERR_ASSIGNMENT_CORRUPT',
  })
})

t.test('an application without a file to read says so at once', async (t) => {
  const packed = { serial: 1, streamPath: join(t.testdir({}), 'no.stream'), assignmentId: '00'.repeat(16) } as Packed
  t.throws(() => apply({ site: t.testdirName, packed }), { code: 'ENGINE_ERR_IO', message: /no\.stream/ })
})

t.test('pruning keeps what is asked for and what is live', async (t) => {
  const root = t.testdir({})
  const site = join(root, 'data')
  for (const release of [1, 2, 3, 4]) {
    await apply({ site, packed: makeRelease(join(root, `r${release}`), release, { a: `${release}` }) }).result()
  }
  await switchLive(site, 2)
  writeTree(join(site, 'releases', 'notes'), { mine: 'x' })
  t.strictSame(await pruneReleases(site, [4]), [1, 3])
  t.strictSame(listReleases(site), [2, 4])
  t.ok(existsSync(join(site, 'releases', 'notes', 'mine')), 'what has no number is not touched')
})

t.test('a removed tree is gone, the target of a link in it is not, and nothing is no error', async (t) => {
  const root = t.testdir({ tree: { a: { b: 'x' }, out: t.fixture('symlink', '../kept') }, kept: { c: 'y' } })
  await removeTree(join(root, 'tree'))
  t.strictSame(readdirSync(root), ['kept'])
  t.ok(existsSync(join(root, 'kept', 'c')))
  await removeTree(join(root, 'tree'))
})
