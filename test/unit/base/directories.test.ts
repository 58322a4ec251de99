// Goal: a data directory is made with those above it, or refused with what the system says, and never hangs.
import { existsSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { makeDataDirectory } from '../../../src/base/directories.js'

t.test('a directory is made with those above it, and made again without harm', async (t) => {
  const path = `${t.testdir()}/a/b/c`
  await makeDataDirectory(path)
  await makeDataDirectory(path)
  t.ok(statSync(path).isDirectory())
  t.equal(statSync(path).mode & 0o022, 0, 'nobody else may write there')
})

t.test('two that make one directory at once both succeed', async (t) => {
  const path = `${t.testdir()}/a/b`
  await Promise.all([makeDataDirectory(path), makeDataDirectory(path), makeDataDirectory(path)])
  t.ok(existsSync(path))
})

const refused = { code: 'ENGINE_ERR_DATA_DIR_UNWRITABLE' }

t.test('a file in the way is refused by the path that was asked for', async (t) => {
  const file = `${t.testdir()}/file`
  writeFileSync(file, '')
  await t.rejects(makeDataDirectory(file), { ...refused, details: { path: file } })
  await t.rejects(makeDataDirectory(`${file}/below`), { ...refused, details: { path: `${file}/below` } })
})

t.test('a directory that the kernel makes nothing in is refused at once', async (t) => {
  await t.rejects(makeDataDirectory('/proc/distributary/data'), refused)
})
