// Stands between the store and SQLite: every statement may be where the coordinator ends, and every decision that
// became durable is noted the moment it did.
import { EngineError } from '../../src/base/errors.js'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import type { Canary } from '../../src/model/canary.js'
import type { Life } from './clock.js'

/** What the database says that nodes of a site should serve. */
export interface Target {
  readonly site: string
  readonly release: number
  readonly treeHash: string
  readonly jobId: string
  readonly command: string
  /** Ids of the nodes that take part in that job. */
  readonly parts: readonly string[]
}

/** Nodes that may serve what a job brings before that is decided. */
export interface Canaries {
  readonly jobId: string
  readonly site: string
  readonly release: number
  readonly treeHash: string
  readonly names: readonly string[]
}

interface CanaryRow {
  readonly id: string
  readonly site: string
  readonly release: number
  readonly tree_hash: string
  readonly canary: string
}

interface TargetRow {
  readonly site: string
  readonly target_release: number | null
  readonly target_tree_hash: string
  readonly target_job_id: string
  readonly target_command: string
}

export interface WatchedOptions {
  readonly life: Life
  /** The disk takes nothing just now. */
  readonly isFull: () => boolean
  /** The targets of all sites, read right after a transaction that wrote one of them. */
  readonly onDecision: (targets: readonly Target[]) => void
  /** The canaries of all jobs, read right after a transaction that wrote some. */
  readonly onCanaries: (canaries: readonly Canaries[]) => void
}

const writes = /^(?:insert|update|delete|commit)/

/** A database whose process may end at any statement. */
export class WatchedDatabase implements SqliteDatabase {
  readonly #inner: SqliteDatabase
  readonly #options: WatchedOptions
  readonly #prepared = new Map<string, SqliteStatement>()
  #decides = false
  #choosesCanaries = false

  constructor(inner: SqliteDatabase, options: WatchedOptions) {
    this.#inner = inner
    this.#options = options
  }

  close(): void {
    this.#inner.close()
  }

  prepare(text: string): SqliteStatement {
    const { life, isFull } = this.#options
    if (!life.isAlive && text !== 'rollback') life.step(text)
    if (!writes.test(text)) return this.#prepare(text)
    life.step(`before ${text.slice(0, 30)}`)
    if (isFull() && text !== 'commit') throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/coordinator/engine.db' })
    if (text.startsWith('update "sites" set "target_release"')) this.#decides = true
    if (text.startsWith('update "jobs" set') && text.includes('"canary"')) this.#choosesCanaries = true
    const statement = this.#prepare(text)
    if (text !== 'commit') return statement
    return {
      ...statement,
      run: (parameters) => {
        const result = statement.run(parameters)
        if (this.#choosesCanaries) this.#noteCanaries()
        if (this.#decides) this.#noteTargets()
        life.step('after a commit')
        return result
      },
      all: (parameters) => statement.all(parameters),
      iterate: (parameters) => statement.iterate(parameters),
    }
  }

  /** Once for each text: that takes longer than to run it. */
  #prepare(text: string): SqliteStatement {
    if (text === 'rollback') return this.#inner.prepare(text)
    const statement = this.#prepared.get(text) ?? this.#inner.prepare(text)
    this.#prepared.set(text, statement)
    return statement
  }

  #noteCanaries(): void {
    this.#choosesCanaries = false
    const columns = 'id, site, release, tree_hash, canary'
    const rows = this.#inner.prepare(`select ${columns} from jobs where canary is not null`).all([])
    this.#options.onCanaries(
      (rows as readonly CanaryRow[]).map(({ id: jobId, site, release, tree_hash: treeHash, canary }) => {
        const { names } = JSON.parse(canary) as Canary
        return { jobId, site, release, treeHash, names }
      }),
    )
  }

  #noteTargets(): void {
    this.#decides = false
    const rows = this.#inner.prepare('select * from sites').all([]) as readonly TargetRow[]
    this.#options.onDecision(
      rows.flatMap(({ site, target_release: release, target_tree_hash: treeHash, ...row }) => {
        if (release === null) return []
        const { target_job_id: jobId, target_command: command } = row
        return [{ site, release, treeHash, jobId, command, parts: this.#partsOf(jobId) }]
      }),
    )
  }

  #partsOf(jobId: string): readonly string[] {
    const rows = this.#inner
      .prepare("select node_id from job_nodes where job_id = ? and state != 'departed'")
      .all([jobId])
    return (rows as readonly { readonly node_id: string }[]).map((row) => row.node_id)
  }
}
