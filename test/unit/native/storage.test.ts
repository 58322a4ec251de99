// Goal: a data directory has one owner, and is described truly. Method: real locks, in this process and another.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { lockDirectory, probeStorage } from '../../../src/native/storage.js'

t.test('a second owner is refused with the pid of the first', async (t) => {
  const directory = t.testdir({})
  const lock = lockDirectory(directory)
  try {
    lockDirectory(directory)
    t.fail('the lock was given twice')
  } catch (error) {
    t.ok(error instanceof EngineError)
    t.match(error, { code: 'ENGINE_ERR_DATA_DIR_IN_USE', details: { path: directory, pid: String(process.pid) } })
    t.match((error as EngineError).message, `in use by process ${process.pid}`)
  }
  lock.release()
})

t.test('another process is refused too', async (t) => {
  const directory = t.testdir({})
  const lock = lockDirectory(directory)
  const lockFile = join(directory, 'engine.lock')
  const isFree = () => execFileSync('sh', ['-c', 'flock -n "$1" true && echo free || echo held', '-', lockFile])
  t.equal(String(isFree()).trim(), 'held')
  lock.release()
  t.equal(String(isFree()).trim(), 'free')
})

t.test('a released directory can be taken again, and releasing twice does nothing', async (t) => {
  const directory = t.testdir({})
  const first = lockDirectory(directory)
  first.release()
  const second = lockDirectory(directory)
  first.release()
  t.throws(() => lockDirectory(directory), { code: 'ENGINE_ERR_DATA_DIR_IN_USE' })
  second.release()
})

t.test('a directory that is not there is named', async (t) => {
  const directory = join(t.testdir({}), 'missing')
  t.throws(() => lockDirectory(directory), { code: 'ENGINE_ERR_DATA_DIR_UNWRITABLE', details: { path: directory } })
})

t.test('a probe tells what the file system says and leaves nothing behind', async (t) => {
  const directory = t.testdir({ kept: 'x' })
  const probe = await probeStorage(directory)
  const { blocks, bsize } = statfsSync(directory)
  t.ok(probe.writable)
  t.ok(probe.openat2)
  t.ok(probe.freeBytes > 0 && probe.freeBytes <= blocks * bsize)
  t.match(probe.fileSystem, /^(0x)?\w+/)
  t.same(readdirSync(directory), ['kept'])
  t.ok(existsSync(directory))
})

t.test('a probe of nothing fails with a code of the table', async (t) => {
  await t.rejects(probeStorage(join(t.testdir({}), 'missing')), { code: 'ENGINE_ERR_IO' })
})
