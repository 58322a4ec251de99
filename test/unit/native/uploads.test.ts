// Goal: a tree as text is the same tree again, and files from afar are known by their content.
// Method: real files, real addon.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blake3 } from '../../../src/native/keys.js'
import { scan } from '../../../src/native/content.js'
import {
  compareTrees,
  digestFile,
  readManifest,
  syncFileSystem,
  writeManifest,
  writeWanted,
} from '../../../src/native/uploads.js'
import { writeTree } from '../../support/assignments.js'

t.test('a scanned tree is the same after it was text, and differs from another by what differs', async (t) => {
  const place = t.testdir({})
  const directory = join(place, 'site')
  const path = (name: string): string => join(place, name)
  writeTree(directory, { 'a.txt': 'alpha', 'b c/ü.txt': 'beta', empty: '' })
  const { treeHash, fileCount, totalBytes } = scan(
    { directory, outTreePath: path('tree'), shadowTreePath: null },
    () => true,
  )
  await writeManifest(path('tree'), path('text'))
  t.match(await readManifest(path('text'), path('again')), { treeHash, fileCount, totalBytes })
  t.match(await compareTrees(path('again'), path('tree')), { identical: true, treeHash, shadowFileCount: 3 })
  t.match(await compareTrees(path('again'), null), { identical: false, filesAdded: 3 })
  t.strictSame(await writeWanted(path('again'), [], path('wanted')), { count: 2, bytes: 9 })
  t.equal(readFileSync(path('wanted')).length, 80)
  t.strictSame(await writeWanted(path('again'), [path('tree'), path('none')], path('wanted')), { count: 0, bytes: 0 })
  t.equal(readFileSync(path('text'), 'utf8').split('\n').length, 6, 'an entry a line')
})

t.test('a line that cannot be is named with its number', async (t) => {
  const place = t.testdir({ text: '{"path":"a","kind":"dir","mtimeNs":"1"}\n{"path":"..","kind":"dir","mtimeNs":"1"}' })
  const read = readManifest(join(place, 'text'), join(place, 'tree'))
  await t.rejects(read, { code: 'ENGINE_ERR_MANIFEST_INVALID', details: { line: '2' } })
})

t.test('a file has the digest of its bytes, and one that is not there is named', async (t) => {
  const place = t.testdir({})
  const bytes = Buffer.alloc(700_001, 7)
  writeFileSync(join(place, 'file'), bytes)
  const found = await digestFile(join(place, 'file'), { sync: true })
  t.strictSame(found, { sizeBytes: bytes.length, digest: blake3(bytes) })
  await t.rejects(digestFile(join(place, 'none'), { sync: false }), { code: 'ENGINE_ERR_IO' })
  await t.resolves(syncFileSystem(place))
  await t.rejects(syncFileSystem(join(place, 'none')))
})
