// The coordinator's durable truth: identity, sites, jobs, nodes, assignments and what became of them.
// In: records in the model's words. Out: the same records, on the disk before a write returns.
// Never: a decision; a word of SQL or snake_case outside this room; a second writer on one file.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Kysely } from 'kysely'
import { EngineError } from '../base/errors.js'
import { Accounts } from './accounts.js'
import { Answers } from './answers.js'
import { Assignments } from './assignments.js'
import { Audit } from './audit.js'
import { Commands } from './commands.js'
import { type DatabaseOptions, openDatabase } from './database.js'
import { Deliveries } from './deliveries.js'
import { Events } from './events.js'
import { FleetEvents } from './fleet-events.js'
import { JobNodes } from './job-nodes.js'
import { Jobs } from './jobs.js'
import { Meta } from './meta.js'
import { Nodes } from './nodes.js'
import { defaultPruneLimits, type PruneLimits, type PruneReport, prune } from './prune.js'
import { Receipts } from './receipts.js'
import { Releases } from './releases.js'
import type { Queries, Schema } from './schema.js'
import { Sites } from './sites.js'
import { Snapshots } from './snapshots.js'
import { Standings } from './standings.js'
import { Webhooks } from './webhooks.js'
import { WordRecords } from './words.js'

/** All nouns over one connection or one transaction. */
export interface Tables {
  readonly meta: Meta
  readonly sites: Sites
  readonly releases: Releases
  readonly jobs: Jobs
  readonly commands: Commands
  readonly answers: Answers
  readonly accounts: Accounts
  readonly jobNodes: JobNodes
  readonly receipts: Receipts
  readonly nodes: Nodes
  readonly assignments: Assignments
  readonly events: Events
  readonly snapshots: Snapshots
  readonly audit: Audit
  readonly webhooks: Webhooks
  readonly standings: Standings
  readonly fleetEvents: FleetEvents
  readonly deliveries: Deliveries
  readonly words: WordRecords
}

function tablesOver(db: Queries): Tables {
  return {
    meta: new Meta(db),
    sites: new Sites(db),
    releases: new Releases(db),
    jobs: new Jobs(db),
    commands: new Commands(db),
    answers: new Answers(db),
    accounts: new Accounts(db),
    jobNodes: new JobNodes(db),
    receipts: new Receipts(db),
    nodes: new Nodes(db),
    assignments: new Assignments(db),
    events: new Events(db),
    snapshots: new Snapshots(db),
    audit: new Audit(db),
    webhooks: new Webhooks(db),
    standings: new Standings(db),
    fleetEvents: new FleetEvents(db),
    deliveries: new Deliveries(db),
    words: new WordRecords(db),
  }
}

export class Store implements Tables {
  readonly meta: Meta
  readonly sites: Sites
  readonly releases: Releases
  readonly jobs: Jobs
  readonly commands: Commands
  readonly answers: Answers
  readonly accounts: Accounts
  readonly jobNodes: JobNodes
  readonly receipts: Receipts
  readonly nodes: Nodes
  readonly assignments: Assignments
  readonly events: Events
  readonly snapshots: Snapshots
  readonly audit: Audit
  readonly webhooks: Webhooks
  readonly standings: Standings
  readonly fleetEvents: FleetEvents
  readonly deliveries: Deliveries
  readonly words: WordRecords
  readonly #db: Kysely<Schema>
  /** Null: nobody looks whether what it is asked comes from within a transaction. */
  readonly #transaction: AsyncLocalStorage<{ open: boolean }> | null
  #closed = false

  private constructor(db: Kysely<Schema>, looksInside: boolean) {
    this.#db = db
    this.#transaction = looksInside ? new AsyncLocalStorage() : null
    const tables = tablesOver(() => this.#outside())
    this.meta = tables.meta
    this.sites = tables.sites
    this.releases = tables.releases
    this.jobs = tables.jobs
    this.commands = tables.commands
    this.answers = tables.answers
    this.accounts = tables.accounts
    this.jobNodes = tables.jobNodes
    this.receipts = tables.receipts
    this.nodes = tables.nodes
    this.assignments = tables.assignments
    this.events = tables.events
    this.snapshots = tables.snapshots
    this.audit = tables.audit
    this.webhooks = tables.webhooks
    this.standings = tables.standings
    this.fleetEvents = tables.fleetEvents
    this.deliveries = tables.deliveries
    this.words = tables.words
  }

  /**
   * Opens the database file at `path`, making it if it is not there.
   * @throws {EngineError} ENGINE_ERR_DATABASE_DAMAGED, ENGINE_ERR_DATABASE_BUSY, ENGINE_ERR_DATABASE_NEWER,
   *   ENGINE_ERR_DATA_DIR_UNWRITABLE, ENGINE_ERR_NO_SPACE.
   */
  static async open(path: string, options: DatabaseOptions = {}): Promise<Store> {
    return new Store(await openDatabase(path, options), options.looksInside ?? true)
  }

  /**
   * Runs `work` in one transaction: all of it is durable when this returns, or none of it happened.
   * Inside, use the tables that `work` is given; the store's own would wait for the transaction to end.
   */
  async transaction<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
    const transaction = this.#outside().transaction()
    const looking = this.#transaction
    if (looking === null) return transaction.execute((inside) => work(tablesOver(() => inside)))
    const state = { open: true }
    return transaction
      .execute((inside) => looking.run(state, () => work(tablesOver(() => inside))))
      .finally(() => {
        state.open = false
      })
  }

  /** Drops what is beyond the limits of `base/limits`. */
  async prune(nowMs: number, limits: PruneLimits = defaultPruneLimits): Promise<PruneReport> {
    return this.#outside()
      .transaction()
      .execute((inside) => prune(inside, nowMs, limits))
  }

  /** Closes the file; a second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#db.destroy()
    // While it is in use it is told of every promise of the process.
    this.#transaction?.disable()
  }

  #outside(): Kysely<Schema> {
    if (this.#closed) throw new EngineError('ENGINE_ERR_NATIVE_CLOSED', { what: 'the database' })
    if (this.#transaction?.getStore()?.open === true) {
      throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'inside a transaction, use the tables it is given' })
    }
    return this.#db
  }
}
