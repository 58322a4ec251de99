import { EngineError } from '../base/errors.js'
import type { Queries } from './schema.js'

/** Who this coordinator is. */
export interface MetaRecord {
  /** 32 hexadecimal digits. */
  readonly coordinatorId: string
  /** Seed of the ed25519 key that signs assignments, 32 bytes. */
  readonly keySeed: Buffer
  /** How often this database has been opened by a coordinator. */
  readonly epoch: number
}

export class Meta {
  readonly #db: Queries

  constructor(db: Queries) {
    this.#db = db
  }

  /** Null before `create`. */
  async read(): Promise<MetaRecord | null> {
    const row = await this.#db().selectFrom('meta').selectAll().executeTakeFirst()
    if (row === undefined) return null
    return { coordinatorId: row.coordinator_id, keySeed: Buffer.from(row.key_seed), epoch: row.epoch }
  }

  /** Sets the identity, once; a second call does nothing. */
  async create(identity: { readonly coordinatorId: string; readonly keySeed: Buffer }): Promise<void> {
    await this.#db()
      .insertInto('meta')
      .values({ id: 1, coordinator_id: identity.coordinatorId, key_seed: identity.keySeed, epoch: 0, last_serial: 0 })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }

  /** Counts this opening; the number is greater than in every earlier life. */
  async nextEpoch(): Promise<number> {
    const updated = await this.#db()
      .updateTable('meta')
      .set((row) => ({ epoch: row('epoch', '+', 1) }))
      .returning('epoch')
      .executeTakeFirst()
    return required(updated).epoch
  }

  /** Takes the next serial number of an assignment; no number is given twice, even after kill -9. */
  async nextSerial(): Promise<number> {
    const updated = await this.#db()
      .updateTable('meta')
      .set((row) => ({ last_serial: row('last_serial', '+', 1) }))
      .returning('last_serial')
      .executeTakeFirst()
    return required(updated).last_serial
  }
}

function required<T>(row: T | undefined): T {
  if (row === undefined) throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'the database has no identity yet' })
  return row
}
