// Goal: a directory becomes a manifest and an assignment, and a callback can stop it. Method: real files, real addon.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type PackBatch, pack, scan, treeHash } from '../../../src/native/content.js'
import { noise, packOptions, packTree, writeTree } from '../../support/assignments.js'

const files = { 'index.html': '<p>hello', 'img/logo.png': noise(1, 5000), 'empty.txt': '' }

t.test('a scan counts what is there, and its manifest says the same', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const outTreePath = `${directory}.tree`
  const found = scan({ directory, outTreePath, shadowTreePath: null }, () => true)
  t.match(found, { fileCount: 3, filesAdded: 3, totalBytes: 5008, shadowFileCount: 0, identical: false })
  const { treeHash: hash, fileCount, entryCount, totalBytes } = found
  t.strictSame(await treeHash(outTreePath), { treeHash: hash, fileCount, totalBytes, entryCount })
})

t.test('a scan tells how it differs from the shadow', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const shadowTreePath = `${directory}.shadow`
  scan({ directory, outTreePath: shadowTreePath, shadowTreePath: null }, () => true)
  const again = () => scan({ directory, outTreePath: `${directory}.tree`, shadowTreePath }, () => true)
  t.match(again(), { identical: true, filesAdded: 0, filesChanged: 0, filesDeleted: 0, shadowFileCount: 3 })
  execFileSync('rm', [join(directory, 'empty.txt')])
  writeTree(directory, { 'index.html': '<p>hello again', 'new.txt': 'n' })
  t.match(again(), { identical: false, filesAdded: 1, filesChanged: 1, filesDeleted: 1, shadowFileCount: 3 })
})

t.test('a callback that says false stops a scan', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const outTreePath = `${directory}.tree`
  t.throws(() => scan({ directory, outTreePath, shadowTreePath: null }, () => false), { code: 'ENGINE_ERR_CANCELLED' })
  t.notOk(existsSync(outTreePath))
})

t.test('what a callback throws is what the caller gets', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const options = { directory, outTreePath: `${directory}.tree`, shadowTreePath: null }
  const call = () =>
    scan(options, () => {
      throw new RangeError('mine')
    })
  t.throws(call, { code: 'ENGINE_ERR_INTERNAL', cause: new RangeError('mine') })
})

t.test('a named pipe is refused by name', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  execFileSync('python3', ['-c', 'import os, sys; os.mkfifo(sys.argv[1])', join(directory, 'img', 'pipe')])
  const options = { directory, outTreePath: `${directory}.tree`, shadowTreePath: null }
  t.throws(() => scan(options, () => true), { code: 'ENGINE_ERR_SPECIAL_FILE', details: { path: 'img/pipe' } })
})

t.test('a directory that is not there is named', async (t) => {
  const directory = join(t.testdir({}), 'missing')
  const options = { directory, outTreePath: `${directory}.tree`, shadowTreePath: null }
  t.throws(() => scan(options, () => true), { message: /missing/ })
})

t.test('packing tells the header first, then vouches for every chunk', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, { ...files, 'big.bin': noise(2, 300_000) })
  const options = packOptions({ directory, release: 7, chunkBytes: 65536 })
  scan({ directory, outTreePath: options.treePath, shadowTreePath: null }, () => true)
  const batches: PackBatch[] = []
  const packed = pack(options, (batch) => batches.push(batch) > 0)
  t.match(batches[0], { vouch: null, assignmentId: packed.assignmentId, chunks: 0 })
  t.match(packed, { serial: 7, chunkBytes: 65536, contentBytes: 305_008 })
  t.match(packed.assignmentId, /^[0-9a-f]{32}$/)
  t.equal(batches.at(-1)?.chunks, packed.chunkCount)
  t.equal(packed.chunkCount, Math.ceil(packed.streamBytes / 65536))
  t.equal(statSync(options.outPath).size, packed.streamBytes)
  const vouches = batches.flatMap((batch) => (batch.vouch ? [Buffer.from(batch.vouch)] : []))
  t.ok(readFileSync(options.vouchPath).equals(Buffer.concat(vouches)), 'the vouch file is all of them')
})

t.test('a callback that says false stops the packing and leaves no file', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const options = packOptions({ directory, release: 1 })
  scan({ directory, outTreePath: options.treePath, shadowTreePath: null }, () => true)
  t.throws(() => pack(options, () => false), { code: 'ENGINE_ERR_CANCELLED' })
  t.notOk(existsSync(options.outPath))
  t.notOk(existsSync(options.vouchPath))
})

t.test('what cannot be an order to pack is refused', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, files)
  const options = packTree({ directory, release: 1 }) && packOptions({ directory, release: 1 })
  for (const wrong of [
    { serial: -1 },
    { baseDirectory: directory },
    { createdNs: -1n },
    { signingKey: Buffer.alloc(31) },
  ]) {
    t.throws(() => pack({ ...options, ...wrong }, () => true), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  }
})

t.test('a damaged manifest is not believed', async (t) => {
  const path = join(t.testdir({ 'x.tree': 'not a manifest' }), 'x.tree')
  await t.rejects(treeHash(path), { code: 'ENGINE_ERR_TREE_CORRUPT', message: /damaged/ })
})
