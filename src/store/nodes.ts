import { EngineError } from '../base/errors.js'
import type { NodeIdentity, NodeSite } from '../model/node.js'
import { fromJson, type Queries, type Row, toJson } from './schema.js'

/** A node as it is kept; whether it is online only the running coordinator knows. */
export interface NodeRecord extends NodeIdentity {
  readonly sites: readonly NodeSite[]
  /** Why it is behind or does not answer; null when all is well. */
  readonly joinedAtMs: number
  readonly lastSeenMs: number
  /** 64 hexadecimal digits; null for one that never told a key. */
  readonly publicKey: string | null
}

export class Nodes {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /**
   * Adds a node or takes over what it now says of itself; its first joining stays, and so does its key.
   * @throws {EngineError} ENGINE_ERR_NODE_NAME_TAKEN when another node has the name.
   */
  async put(
    identity: NodeIdentity,
    sites: readonly NodeSite[],
    nowMs: number,
    publicKey: string | null = null,
  ): Promise<void> {
    const owner = await this.byName(identity.name)
    if (owner !== null && owner.id !== identity.id) {
      throw new EngineError('ENGINE_ERR_NODE_NAME_TAKEN', { name: identity.name, nodeId: owner.id })
    }
    const key = publicKey === null ? {} : { public_key: publicKey }
    const row = { ...toRow(identity), ...key, sites: toJson(sites), last_seen_ms: nowMs }
    await this.#db()
      .insertInto('nodes')
      .values({ ...row, joined_at_ms: nowMs })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute()
  }

  async get(id: string): Promise<NodeRecord | null> {
    const row = await this.#db().selectFrom('nodes').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  async byName(name: string): Promise<NodeRecord | null> {
    const row = await this.#db().selectFrom('nodes').selectAll().where('name', '=', name).executeTakeFirst()
    return row === undefined ? null : fromRow(row)
  }

  /** By name. */
  async list(): Promise<NodeRecord[]> {
    return (await this.#db().selectFrom('nodes').selectAll().orderBy('name').execute()).map(fromRow)
  }

  /** Takes over what a node holds now. */
  async setSites(id: string, sites: readonly NodeSite[], nowMs: number): Promise<void> {
    await this.#db()
      .updateTable('nodes')
      .set({ sites: toJson(sites), last_seen_ms: nowMs })
      .where('id', '=', id)
      .execute()
  }

  /** Notes when a node was last heard. */
  async setSeen(id: string, lastSeenMs: number): Promise<void> {
    await this.#db().updateTable('nodes').set({ last_seen_ms: lastSeenMs }).where('id', '=', id).execute()
  }
}

function toRow(identity: NodeIdentity) {
  return {
    id: identity.id,
    name: identity.name,
    group_names: toJson(identity.groups),
    segment: identity.segment,
    data_host: identity.dataAddress.host,
    data_port: identity.dataAddress.port,
  }
}

function fromRow(row: Row<'nodes'>): NodeRecord {
  return {
    id: row.id,
    name: row.name,
    groups: fromJson<string[]>(row.group_names),
    segment: row.segment,
    dataAddress: { host: row.data_host, port: row.data_port },
    sites: fromJson<NodeSite[]>(row.sites),
    joinedAtMs: row.joined_at_ms,
    lastSeenMs: row.last_seen_ms,
    publicKey: row.public_key,
  }
}
