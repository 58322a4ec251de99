// The reader of releases over the native line: what it finds, how it is told to stop, what it refuses.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Verifying } from '../../../src/native/verifying.js'
import { makeRelease } from '../../support/fake-plane.js'

const place = async (t: { testdir(): string }) => {
  const directory = join(t.testdir(), 'release')
  const treePath = join(directory, '..', 'tree')
  const treeHash = await makeRelease(directory, treePath, 'content')
  return { directory, treePath, treeHash, options: { directory, treePath, rateBps: null, findingsMax: 10 } }
}

t.test('a release as it was scanned has no finding, and what is changed has one', async (t) => {
  const { options, directory, treeHash } = await place(t)
  t.strictSame(await new Verifying(options).result(), { treeHash, files: 1, bytes: 7, mismatches: 0, findings: [] })
  await writeFile(join(directory, 'index.html'), 'Content')
  const verifying = new Verifying(options)
  t.match(await verifying.result(), { mismatches: 1, findings: [{ path: 'index.html', kind: 'content' }] })
  t.strictSame(verifying.status(), { files: 1, bytes: 7, mismatches: 1 })
  await rm(join(directory, 'index.html'))
  t.match(await new Verifying(options).result(), {
    findings: [
      { path: '.', kind: 'mtime' },
      { path: 'index.html', kind: 'missing' },
    ],
  })
})

t.test('a cancelled one ends as cancelled, and a manifest that is none is refused', async (t) => {
  const { options, treePath } = await place(t)
  const verifying = new Verifying({ ...options, rateBps: 8 })
  verifying.cancel()
  await t.rejects(verifying.result(), { code: 'ENGINE_ERR_CANCELLED' })
  await writeFile(treePath, 'no tree')
  await t.rejects(new Verifying(options).result(), { code: 'ENGINE_ERR_TREE_CORRUPT' })
  await rm(treePath)
  await t.rejects(new Verifying(options).result(), { code: 'ENGINE_ERR_IO' })
})

t.test('a rate of nothing, or less, is refused', async (t) => {
  const { options } = await place(t)
  for (const rateBps of [0, -1]) {
    t.throws(() => new Verifying({ ...options, rateBps }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  }
})
