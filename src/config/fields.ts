import { z } from 'zod'
import { type FieldMeta, fieldMeta, settingsSchema } from './schema.js'

/** One leaf of the configuration. */
export interface Field {
  /** Keys from the top, joined by dots: `coordinator.listen.port`. */
  readonly path: string
  /** Name in the environment: `ENGINE_COORDINATOR__LISTEN__PORT`. */
  readonly variable: string
  readonly type: 'text' | 'number' | 'switch' | 'list'
  /** What may be written, for people: `0–65535`, `json | text`. */
  readonly allowed: string
  readonly default: unknown
  readonly meta: FieldMeta | null
}

function inner(schema: z.ZodType): z.ZodType {
  let current: z.ZodType = schema
  while (
    current instanceof z.ZodDefault ||
    current instanceof z.ZodPrefault ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodOptional
  ) {
    current = current.unwrap() as z.ZodType
  }
  return current
}

function kind(schema: z.ZodType): Pick<Field, 'type' | 'allowed'> {
  if (schema instanceof z.ZodBoolean) return { type: 'switch', allowed: 'true | false' }
  if (schema instanceof z.ZodNumber) return { type: 'number', allowed: `${schema.minValue}–${schema.maxValue}` }
  if (schema instanceof z.ZodEnum) return { type: 'text', allowed: schema.options.join(' | ') }
  if (schema instanceof z.ZodArray) return { type: 'list', allowed: 'a list of text' }
  return { type: 'text', allowed: 'text' }
}

/** The variable of a path: levels joined by two underscores, words by one. */
export function variableName(path: string): string {
  const keys = path.split('.').map((key) => key.replaceAll(/([A-Z])/g, '_$1').toUpperCase())
  return `ENGINE_${keys.join('__')}`
}

function defaultOf(schema: z.ZodType): unknown {
  const parsed = schema.safeParse(undefined)
  return parsed.success ? parsed.data : undefined
}

function collect(schema: z.ZodType, path: string): Field[] {
  const bare = inner(schema)
  if (bare instanceof z.ZodObject) {
    const shape = bare.shape as Readonly<Record<string, z.ZodType>>
    return Object.entries(shape).flatMap(([key, child]) => collect(child, path === '' ? key : `${path}.${key}`))
  }
  return [
    {
      path,
      variable: variableName(path),
      ...kind(bare),
      default: defaultOf(schema),
      meta: fieldMeta.get(schema) ?? null,
    },
  ]
}

/** Every leaf, in the order of the schema. */
export const fields: readonly Field[] = collect(settingsSchema, '')

/** The configuration's JSON Schema, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(settingsSchema, { io: 'input', metadata: fieldMeta })
}
