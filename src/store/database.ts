import { chmodSync, closeSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import SQLite from 'better-sqlite3'
import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  type Migration,
  Migrator,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type SqliteStatement,
} from 'kysely'
import { EngineError, toEngineError } from '../base/errors.js'
import { DATABASE_BUSY_MS } from '../base/limits.js'
import { spine } from './migrations/0001-spine.js'
import { asked } from './migrations/0002-asked.js'
import { commands } from './migrations/0003-commands.js'
import { audit } from './migrations/0004-audit.js'
import { webhooks } from './migrations/0005-webhooks.js'
import { policies } from './migrations/0006-policies.js'
import { accounts } from './migrations/0007-accounts.js'
import { canary } from './migrations/0008-canary.js'
import { paused } from './migrations/0012-paused.js'
import { words } from './migrations/0011-words.js'
import type { Schema } from './schema.js'

/** Some hundred texts are in use; more come of lists of many lengths, which need not stay. */
const STATEMENTS_KEPT_MAX = 512

/** In order; a migration that was released is never edited. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-spine': spine,
  '0002-asked': asked,
  '0003-commands': commands,
  '0004-audit': audit,
  '0005-webhooks': webhooks,
  '0006-policies': policies,
  '0007-accounts': accounts,
  '0008-canary': canary,
  '0011-words': words,
  '0012-paused': paused,
}

/** Says what an error of SQLite means to the operator. */
function translate(error: unknown, path: string): EngineError {
  const code = typeof error === 'object' && error !== null ? String(Reflect.get(error, 'code')) : ''
  const why = error instanceof Error ? error.message : String(error)
  const options = { cause: error }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code))
    return new EngineError('ENGINE_ERR_DATABASE_DAMAGED', { path, why }, options)
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return new EngineError('ENGINE_ERR_DATABASE_BUSY', { path }, options)
  if (code === 'SQLITE_FULL') return new EngineError('ENGINE_ERR_NO_SPACE', { path }, options)
  if (/^SQLITE_(CANTOPEN|READONLY|PERM)/.test(code)) {
    return new EngineError('ENGINE_ERR_DATA_DIR_UNWRITABLE', { path: dirname(path), why }, options)
  }
  if (code.startsWith('SQLITE_IOERR')) return new EngineError('ENGINE_ERR_IO', { what: path, why }, options)
  return toEngineError(error, { what: path })
}

/** The driver's view of a connection, with every error in our words. */
class TranslatedDatabase implements SqliteDatabase {
  readonly #connection: SQLite.Database
  readonly #path: string
  /** By text: to prepare a statement takes longer than most of them run. */
  readonly #kept = new Map<string, SqliteStatement>()

  constructor(connection: SQLite.Database, path: string) {
    this.#connection = connection
    this.#path = path
  }

  close(): void {
    this.#connection.close()
  }

  prepare(text: string): SqliteStatement {
    if (text === 'rollback') return this.#rollback
    const kept = this.#kept.get(text)
    if (kept !== undefined) return kept
    const statement = this.#prepare(text)
    if (this.#kept.size >= STATEMENTS_KEPT_MAX) this.#kept.clear()
    this.#kept.set(text, statement)
    return statement
  }

  #prepare(text: string): SqliteStatement {
    const statement = this.#tell(() => this.#connection.prepare<unknown[]>(text))
    return {
      reader: statement.reader,
      all: (parameters) => this.#tell(() => statement.all(parameters)),
      run: (parameters) => this.#tell(() => statement.run(parameters)),
      // One of its own: a statement that is read row by row takes no other call meanwhile.
      iterate: (parameters) => this.#tell(() => this.#connection.prepare<unknown[]>(text).iterate(...parameters)),
    }
  }

  /**
   * A full disk or a failed write makes SQLite roll back by itself; to do it again is an error, which would be
   * told in place of the first.
   */
  get #rollback(): SqliteStatement {
    const run = (): { changes: number; lastInsertRowid: number } => {
      if (this.#connection.inTransaction) this.#tell(() => this.#connection.exec('rollback'))
      return { changes: 0, lastInsertRowid: 0 }
    }
    return { reader: false, run, all: () => [], iterate: () => [][Symbol.iterator]() }
  }

  #tell<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw translate(error, this.#path)
    }
  }
}

/**
 * SQLite makes tables within transactions, which kysely leaves out for it: without one, a process that is killed in the
 * middle of a migration leaves half of its tables, and the next start cannot make them a second time.
 */
class WholeMigrationsAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/**
 * Hands out the one connection in the order in which it was asked for. kysely's own way wakes all that wait each time
 * it is free: with thousands of nodes that costs the square of their number, and the last may never get it.
 */
class FairDriver extends SqliteDriver {
  #last: Promise<void> = Promise.resolve()
  #free: () => void = () => {}

  override async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#last
    let free = (): void => {}
    this.#last = new Promise((resolve) => {
      free = resolve
    })
    await before
    this.#free = free
    return super.acquireConnection()
  }

  override async releaseConnection(): Promise<void> {
    const free = this.#free
    await super.releaseConnection()
    free()
  }
}

class OwnDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig

  constructor(config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): Driver {
    return new FairDriver(this.#config)
  }

  override createAdapter(): SqliteAdapter {
    return new WholeMigrationsAdapter()
  }
}

function connect(path: string, busyMs: number): SQLite.Database {
  // The file holds the signing key: nobody else may read it, nor the files that SQLite puts beside it.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const connection = new SQLite(path, { timeout: busyMs })
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  const faults = connection.pragma('quick_check(3)') as { readonly quick_check: string }[]
  const why = faults.map((fault) => fault.quick_check).join('; ')
  if (why !== 'ok') {
    connection.close()
    throw new EngineError('ENGINE_ERR_DATABASE_DAMAGED', { path, why })
  }
  return connection
}

function openConnection(path: string, busyMs: number): SQLite.Database {
  try {
    return connect(path, busyMs)
  } catch (error) {
    if (error instanceof EngineError) throw error
    const code = typeof error === 'object' && error !== null ? String(Reflect.get(error, 'code')) : ''
    const denied = ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EISDIR'].includes(code)
    const why = error instanceof Error ? error.message : String(error)
    if (denied) throw new EngineError('ENGINE_ERR_DATA_DIR_UNWRITABLE', { path: dirname(path), why }, { cause: error })
    throw translate(error, path)
  }
}

function refuseNewer(connection: SQLite.Database, path: string): void {
  const known = connection.prepare("select 1 from sqlite_master where type = 'table' and name = 'kysely_migration'")
  if (known.get() === undefined) return
  const applied = connection.prepare('select name from kysely_migration').all() as { readonly name: string }[]
  const found = applied.find(({ name }) => !Object.hasOwn(migrations, name))
  if (found !== undefined) throw new EngineError('ENGINE_ERR_DATABASE_NEWER', { path, found: found.name })
}

export interface DatabaseOptions {
  /** How long to wait for a lock that another program holds. */
  readonly busyMs?: number
  /** What stands between this room and the driver: nothing, unless statements are to be watched or made to fail. */
  readonly through?: (database: SqliteDatabase) => SqliteDatabase
  /**
   * Whether the store refuses to be used from within one of its own transactions, where it would wait for ever; true
   * unless told. Node.js is told of every promise of the process then: a fifth of what it takes to record receipts.
   * Tests look; a coordinator at work does not.
   */
  readonly looksInside?: boolean
}

/**
 * Opens the database, makes it if it is not there, checks it and brings it to this release's form.
 * Every write is on the disk before it returns (WAL, synchronous FULL).
 * @throws {EngineError} ENGINE_ERR_DATABASE_DAMAGED, ENGINE_ERR_DATABASE_BUSY, ENGINE_ERR_DATABASE_NEWER,
 *   ENGINE_ERR_DATA_DIR_UNWRITABLE, ENGINE_ERR_NO_SPACE.
 */
export async function openDatabase(
  path: string,
  { busyMs = DATABASE_BUSY_MS, through = (database) => database }: DatabaseOptions = {},
): Promise<Kysely<Schema>> {
  const connection = openConnection(path, busyMs)
  const database = through(new TranslatedDatabase(connection, path))
  const db = new Kysely<Schema>({ dialect: new OwnDialect({ database }) })
  try {
    refuseNewer(connection, path)
    const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } })
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
    return db
  } catch (error) {
    await db.destroy()
    connection.close()
    throw translate(error, path)
  }
}
