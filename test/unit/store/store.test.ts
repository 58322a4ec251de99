// Goal: what the store says it has written is on the disk, whole or not at all.
// Method: real database files; each subtest opens its own, some are broken on purpose.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import t from 'tap'
import type { ErrorCode } from '../../../src/base/errors.js'
import { Store } from '../../../src/store/store.js'
import { jobRecord } from '../../support/records.js'

const code = (expected: ErrorCode) => ({ code: expected })

t.test('a database that is opened again holds what was written', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const first = await Store.open(path)
  await first.meta.create({ coordinatorId: 'c'.repeat(32), keySeed: Buffer.alloc(32, 7) })
  await first.sites.ensure('www', { group: 'edge', only: null }, 1)
  await first.close()
  const second = await Store.open(path)
  t.same((await second.meta.read())?.keySeed, Buffer.alloc(32, 7))
  t.equal((await second.sites.require('www')).group, 'edge')
  await second.close()
  await second.close()
})

t.test('what was written survives a process that is killed at once', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  await (await Store.open(path)).close()
  const script = `
    const SQLite = (await import('better-sqlite3')).default
    const db = new SQLite(${JSON.stringify(path)})
    db.pragma('synchronous = FULL')
    db.exec("insert into sites (site, group_name, last_release, created_at_ms) values ('www', 'edge', 0, 1)")
    process.kill(process.pid, 'SIGKILL')`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.equal(result.signal, 'SIGKILL', result.stderr)
  const store = await Store.open(path)
  t.equal((await store.sites.list()).length, 1)
  await store.close()
})

t.test('a transaction that throws leaves nothing behind', async (t) => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  const refused = store.transaction(async (tables) => {
    await tables.sites.ensure('www', { group: 'edge', only: null }, 1)
    throw new Error('no')
  })
  await t.rejects(refused, { message: 'no' })
  t.same(await store.sites.list(), [])
  await store.transaction(async (tables) => {
    await tables.sites.ensure('www', { group: 'edge', only: null }, 1)
    await tables.jobs.create(jobRecord({ id: 'A' }))
  })
  t.equal((await store.sites.list()).length, 1)
  t.equal((await store.jobs.list()).length, 1)
  await store.close()
})

t.test('the store outside a transaction refuses to be used within, instead of waiting for ever', async (t) => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  await t.rejects(
    store.transaction(() => store.sites.list()),
    code('ENGINE_ERR_INTERNAL'),
  )
  const late = await store.transaction(async () => ({ list: () => store.sites.list() }))
  t.same(await late.list(), [], 'after the transaction it works again')
  await store.close()
})

t.test('writes that run at once all arrive', async (t) => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  await store.meta.create({ coordinatorId: 'c'.repeat(32), keySeed: Buffer.alloc(32) })
  const serials = await Promise.all(Array.from({ length: 50 }, () => store.meta.nextSerial()))
  t.equal(new Set(serials).size, 50)
  t.equal(Math.max(...serials), 50)
  await store.close()
})

t.test('the file is for its owner alone, because it holds the signing key', async (t) => {
  const path = join(t.testdir({ 'engine.db': '' }), 'engine.db')
  chmodSync(path, 0o644)
  const store = await Store.open(path)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(`${path}-wal`).mode & 0o777, 0o600)
  await store.close()
})

t.test('a damaged database is refused by name and left as it is', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const store = await Store.open(path)
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  await store.close()
  const bytes = readFileSync(path)
  bytes.fill(0xa5, 4096, bytes.length)
  writeFileSync(path, bytes)
  await t.rejects(Store.open(path), code('ENGINE_ERR_DATABASE_DAMAGED'))
  t.same(readFileSync(path), bytes)
})

t.test('a file that is no database is refused by name', async (t) => {
  const path = join(t.testdir({ 'engine.db': 'not a database at all, '.repeat(400) }), 'engine.db')
  await t.rejects(Store.open(path), code('ENGINE_ERR_DATABASE_DAMAGED'))
})

t.test('a database of a newer release is refused by name', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  await (await Store.open(path)).close()
  const raw = new SQLite(path)
  raw.prepare('insert into kysely_migration (name, timestamp) values (?, ?)').run('9999-later', 'now')
  raw.close()
  await t.rejects(Store.open(path), code('ENGINE_ERR_DATABASE_NEWER'))
})

t.test('a directory that is not there is an error that names it', async (t) => {
  const missing = join(t.testdir(), 'missing')
  const error = await Store.open(join(missing, 'engine.db')).catch((caught: unknown) => caught)
  t.match(error, code('ENGINE_ERR_DATA_DIR_UNWRITABLE'))
  t.match(String(error), missing)
})

t.test('a closed store says so', async (t) => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  await store.close()
  await t.rejects(store.sites.list(), code('ENGINE_ERR_NATIVE_CLOSED'))
})
