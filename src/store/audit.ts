import { sql } from 'kysely'
import { AUDIT_PAGE_MAX } from '../base/limits.js'
import {
  type AuditEntry,
  type AuditHead,
  type AuditKind,
  type AuditOutcome,
  type AuditRecord,
  type AuditRequest,
  auditStart,
  chained,
} from '../model/audit.js'
import { fromJson, type Queries, type Row, toJson } from './schema.js'

/** A call before it is answered. */
export type AuditCall = Pick<AuditEntry, 'atMs' | 'actor' | 'action' | 'subject' | 'request'>

/** Calls whose result is the job that they made. */
const makingJobs = ['createJob', 'putFile']

export class Audit {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Notes a call that is about to be answered. @returns what `close` takes. */
  async open({ atMs, actor, action, subject, request }: AuditCall): Promise<number> {
    const row = { at_ms: atMs, actor, action, subject, request: toJson(request) }
    const query = this.#db().insertInto('audit_open').values(row).returning('id')
    return (await query.executeTakeFirstOrThrow()).id
  }

  /** Calls that nobody answered, oldest first. */
  async listOpen(): Promise<(AuditCall & { readonly id: number })[]> {
    const rows = await this.#db().selectFrom('audit_open').selectAll().orderBy('id').execute()
    return rows.map(({ id, at_ms, actor, action, subject, request }) => ({
      ...{ id, atMs: at_ms, actor, action, subject },
      request: fromJson<AuditRequest>(request),
    }))
  }

  /** Takes a call off the list of those that are being answered. @returns whether it was there. */
  async close(id: number): Promise<boolean> {
    const { numDeletedRows } = await this.#db().deleteFrom('audit_open').where('id', '=', id).executeTakeFirst()
    return numDeletedRows > 0n
  }

  /** The newest record. */
  async head(): Promise<AuditHead & { readonly kind: AuditKind | null }> {
    const query = this.#db().selectFrom('audit').select(['seq', 'hash', 'kind']).orderBy('seq', 'desc').limit(1)
    const row = await query.executeTakeFirst()
    return row === undefined ? { ...auditStart, kind: null } : { ...row, kind: row.kind as AuditKind }
  }

  /** Adds a record to the chain's end. Only inside a transaction: nothing may come between head and record. */
  async append(entry: AuditEntry): Promise<AuditRecord> {
    const record = chained(entry, await this.head())
    await this.#db().insertInto('audit').values(toRow(record)).execute()
    return record
  }

  /** Records after `sinceSeq`, oldest first, at most `limit`. */
  async list(sinceSeq: number, limit: number): Promise<AuditRecord[]> {
    const query = this.#db().selectFrom('audit').selectAll().where('seq', '>', sinceSeq).orderBy('seq')
    return (await query.limit(Math.min(limit, AUDIT_PAGE_MAX)).execute()).map(fromRow)
  }

  /** Who asked for each of some jobs; what is not on record has no entry. */
  async actorsOf(jobIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (jobIds.length === 0) return new Map()
    const query = this.#db().selectFrom('audit').select(['result', 'actor']).where('action', 'in', makingJobs)
    // Newest first, so that the oldest counts: who only repeated a request under its key has not made the job.
    const rows = await query.where('result', 'in', jobIds).orderBy('seq', 'desc').execute()
    return new Map(rows.flatMap(({ result, actor }) => (result === null ? [] : [[result, actor]])))
  }

  async count(): Promise<number> {
    const query = this.#db().selectFrom('audit').select(sql<number>`coalesce(max(seq) - min(seq) + 1, 0)`.as('count'))
    return (await query.executeTakeFirst())?.count ?? 0
  }

  /** The newest record but `count`: what is dropped ends there. Null when there are no more. */
  async beyond(count: number): Promise<AuditHead | null> {
    const query = this.#db().selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').offset(count).limit(1)
    return (await query.executeTakeFirst()) ?? null
  }

  /** Drops everything up to a record, which the chain says already. */
  async dropThrough(seq: number): Promise<void> {
    await this.#db().deleteFrom('audit').where('seq', '<=', seq).execute()
  }
}

function toRow(record: AuditRecord) {
  const { seq, kind, atMs, actor, action, subject, request, outcome, code, result, prevHash, hash } = record
  const said = { seq, kind, at_ms: atMs, actor, action, subject, request: toJson(request), outcome, code, result }
  return { ...said, prev_hash: prevHash, hash }
}

function fromRow(row: Row<'audit'>): AuditRecord {
  const { seq, at_ms: atMs, actor, action, subject, code, result, prev_hash: prevHash, hash } = row
  const kind = row.kind as AuditKind
  const outcome = row.outcome as AuditOutcome
  const request = fromJson<AuditRequest>(row.request)
  return { seq, kind, atMs, actor, action, subject, request, outcome, code, result, prevHash, hash }
}
