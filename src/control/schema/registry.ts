import { z } from 'zod'
import { NAME_PATTERN, NAME_RULE } from '../../model/name.js'

/**
 * Names of the schemas as OpenAPI shows them. A registry of our own: an embedding program that uses
 * zod too may name its schemas as it likes.
 */
export const schemaNames: z.core.$ZodRegistry<{ id: string }> = z.registry<{ id: string }>()

/** Gives a schema its name in the OpenAPI document. */
export function named<T extends z.ZodType>(id: string, schema: T): T {
  schemaNames.add(schema, { id })
  return schema
}

/** What people name sites, groups, nodes and segments with. */
export const name: z.ZodString = z.string().regex(NAME_PATTERN, NAME_RULE)

/** Identity of a process: 32 hexadecimal digits. */
export const identity: z.ZodString = z.string().regex(/^[0-9a-f]{32}$/, '32 lower-case hexadecimal digits')

/** An ed25519 key: 64 hexadecimal digits. */
export const publicKey: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')

/** An ed25519 signature: 128 hexadecimal digits. */
export const signature: z.ZodString = z.string().regex(/^[0-9a-f]{128}$/, '128 lower-case hexadecimal digits')

/** Hash of a tree: 64 hexadecimal digits. */
export const treeHash: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')

export const release: z.ZodNumber = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
export const count: z.ZodNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** Milliseconds since 1970. */
export const timeMs: z.ZodNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
