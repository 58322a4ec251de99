import { CompiledQuery } from 'kysely'
import type { Queries } from './schema.js'

/** Rows written by one statement: few enough for SQLite's 32,766 parameters; more gain nothing. */
const ROWS_PER_STATEMENT = 256

export interface ManyRowsOptions {
  readonly table: string
  readonly columns: readonly string[]
  /** Those of the columns that tell rows apart: a row that is there already is changed. */
  readonly keys: readonly string[]
  /** Whether it is, in SQL over `excluded`; absent: always. */
  readonly changesWhere?: string
}

/** Writes rows of one table, new or changed, in as few statements as they fit into. */
export class ManyRows<Name extends string> {
  readonly #columns: readonly Name[]
  readonly #head: string
  readonly #tail: string
  /**
   * By the number of rows. Written here, not built: a query of a thousand parameters takes longer to build than to
   * carry out.
   */
  readonly #texts = new Map<number, string>()

  constructor({ table, columns, keys, changesWhere }: ManyRowsOptions & { readonly columns: readonly Name[] }) {
    const changes = columns.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`)
    const where = changesWhere === undefined ? '' : ` where ${changesWhere}`
    this.#columns = columns
    this.#head = `insert into ${table} (${columns.join(', ')}) values `
    this.#tail = ` on conflict (${keys.join(', ')}) do update set ${changes.join(', ')}${where}`
  }

  /** @param toRow  called once for each item. */
  async put<T>(
    db: Queries,
    items: readonly T[],
    toRow: (item: T) => Readonly<Partial<Record<Name, unknown>>>,
  ): Promise<void> {
    for (let first = 0; first < items.length; first += ROWS_PER_STATEMENT) {
      const some = items.slice(first, first + ROWS_PER_STATEMENT)
      const parameters: unknown[] = []
      for (const item of some) {
        const row = toRow(item)
        for (const column of this.#columns) parameters.push(row[column])
      }
      await db().executeQuery(CompiledQuery.raw(this.#textOf(some.length), parameters))
    }
  }

  #textOf(rowCount: number): string {
    const known = this.#texts.get(rowCount)
    if (known !== undefined) return known
    const row = `(${this.#columns.map(() => '?').join(', ')})`
    const text = this.#head + Array.from({ length: rowCount }, () => row).join(', ') + this.#tail
    this.#texts.set(rowCount, text)
    return text
  }
}
