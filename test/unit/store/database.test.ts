// Goal: what can be wrong with a database file is told in words of the operator, and nothing is changed by looking.
// Method: a second connection that locks, and files that are what they should not be.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import { sql } from 'kysely'
import t from 'tap'
import { openDatabase } from '../../../src/store/database.js'

const BUSY_MS = 20

t.test('a database that another program holds is told to be locked', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  await (await openDatabase(path)).destroy()
  const other = new SQLite(path)
  other.pragma('locking_mode = EXCLUSIVE')
  other.exec('begin immediate; create table theirs (id integer)')
  await t.rejects(openDatabase(path, { busyMs: BUSY_MS }), {
    code: 'ENGINE_ERR_DATABASE_BUSY',
    message: new RegExp(path),
  })
  other.exec('rollback')
  other.close()
  const db = await openDatabase(path, { busyMs: BUSY_MS })
  await db.destroy()
})

t.test('a write that is locked out is told, and succeeds when it is tried again', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const db = await openDatabase(path, { busyMs: BUSY_MS })
  const other = new SQLite(path)
  other.exec('begin immediate')
  const write = () =>
    db.insertInto('sites').values({ site: 'www', group_name: 'edge', last_release: 0, created_at_ms: 1 }).execute()
  await t.rejects(write(), { code: 'ENGINE_ERR_DATABASE_BUSY' })
  other.exec('rollback')
  other.close()
  await write()
  await db.destroy()
})

t.test('damage in a page that opening does not read is found all the same', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const db = await openDatabase(path)
  const values = (index: number) => ({
    site: `site-${index}`,
    group_name: 'x'.repeat(2000),
    last_release: 0,
    created_at_ms: 1,
  })
  await db
    .insertInto('sites')
    .values(Array.from({ length: 100 }, (_, index) => values(index)))
    .execute()
  await db.destroy()
  const bytes = readFileSync(path)
  bytes.fill(0xa5, bytes.length - 4096 * 4, bytes.length - 4096 * 3)
  writeFileSync(path, bytes)
  await t.rejects(openDatabase(path), { code: 'ENGINE_ERR_DATABASE_DAMAGED' })
  t.same(readFileSync(path), bytes, 'it is left as it is')
})

t.test('who asks for the database first has it first, however many wait', async (t) => {
  const db = await openDatabase(join(t.testdir(), 'engine.db'))
  const order: number[] = []
  const insert = (at: number) =>
    db
      .insertInto('sites')
      .values({ site: `site-${at}`, group_name: 'edge', last_release: at, created_at_ms: 1 })
      .execute()
      .then(() => order.push(at))
  const slow = db.transaction().execute(async (inside) => {
    for (let at = 0; at < 10; at++) await inside.selectFrom('sites').selectAll().execute()
    order.push(-1)
  })
  await Promise.all([slow, ...Array.from({ length: 300 }, (_, at) => insert(at))])
  t.same(order, [-1, ...Array.from({ length: 300 }, (_, at) => at)])
  const rows = await db.selectFrom('sites').select('last_release').orderBy('last_release').execute()
  t.equal(rows.length, 300, 'one text with other values each time')
  await db.destroy()
})

t.test('a full disk in a transaction is told as such, undoes it, and what follows works again', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const db = await openDatabase(path)
  await sql`pragma max_page_count = 40`.execute(db)
  const values = (index: number) => ({
    site: `site-${index}`,
    group_name: 'x'.repeat(2000),
    last_release: 0,
    created_at_ms: 1,
  })
  const filling = db.transaction().execute(async (inside) => {
    for (let at = 0; at < 100; at++) await inside.insertInto('sites').values(values(at)).execute()
  })
  await t.rejects(filling, { code: 'ENGINE_ERR_NO_SPACE', details: { path } })
  t.same(await db.selectFrom('sites').select('site').execute(), [])
  await db.transaction().execute((inside) => inside.insertInto('sites').values(values(1)).execute())
  const vain = db.transaction().execute(async (inside) => {
    await inside.insertInto('sites').values(values(2)).execute()
    throw new Error('not this one')
  })
  await t.rejects(vain, { message: 'not this one' })
  t.same(await db.selectFrom('sites').select('site').execute(), [{ site: 'site-1' }])
  await db.destroy()
})

t.test('a directory in place of the file is an error that names where', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  mkdirSync(path)
  await t.rejects(openDatabase(path), { code: 'ENGINE_ERR_DATA_DIR_UNWRITABLE', details: { path: t.testdirName } })
})

t.test('values of the wrong type are refused, not kept', async (t) => {
  const db = await openDatabase(join(t.testdir(), 'engine.db'))
  const values = { site: 'www', group_name: 'edge', last_release: 'many' as never, created_at_ms: 1 }
  await t.rejects(db.insertInto('sites').values(values).execute(), { code: 'ENGINE_ERR_INTERNAL' })
  await db.destroy()
})

t.test('writes are durable by the settings that make them so', async (t) => {
  const db = await openDatabase(join(t.testdir(), 'engine.db'))
  const setting = async (name: string) =>
    Object.values((await sql.raw<object>(`pragma ${name}`).execute(db)).rows[0] ?? {})[0]
  t.equal(await setting('journal_mode'), 'wal')
  t.equal(await setting('synchronous'), 2, 'FULL')
  t.equal(await setting('foreign_keys'), 1)
  await db.destroy()
})

t.test('opening again changes nothing', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const tables = async () => {
    const db = await openDatabase(path)
    const { rows } = await sql<{
      sql: string
    }>`select sql from sqlite_master where sql is not null order by name`.execute(db)
    await db.destroy()
    return rows
  }
  const first = await tables()
  t.ok(first.length > 10)
  t.same(await tables(), first)
})

t.test('migrations are made whole or not at all, so that the next start can make them', async (t) => {
  const path = join(t.testdir(), 'engine.db')
  const other = new SQLite(path)
  other.exec('create table commands (in_the_way integer)')
  await t.rejects(openDatabase(path))
  const tables = other.prepare("select name from sqlite_master where name in ('meta', 'jobs')").all()
  t.same(tables, [], 'those before the one that failed are not there either')
  other.exec('drop table commands')
  other.close()
  await (await openDatabase(path)).destroy()
})
