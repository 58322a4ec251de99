import { z } from 'zod'

/** What the reference page and the JSON Schema say of a field, beside its type and default. */
export interface FieldMeta {
  /** What it does. */
  readonly effect: string
  /** What the worst value costs. */
  readonly worstCase: string
  /** What it is counted in; absent for words and switches. */
  readonly unit?: string
  /** True for what few ever need. */
  readonly advanced?: boolean
}

/** Every leaf of the schema is registered here; test/repo checks that none is missing. */
export const fieldMeta = z.registry<FieldMeta>()

/** Registers a leaf with what is said of it. */
export function field<T extends z.ZodType>(schema: T, meta: FieldMeta): T {
  fieldMeta.add(schema, meta)
  return schema
}
