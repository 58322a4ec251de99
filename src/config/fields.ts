import { z } from 'zod'
import { type FieldMeta, fieldMeta } from './meta.js'
import { settingsSchema } from './schema.js'

/** One leaf of the configuration. */
export interface Field {
  /** Keys from the top, joined by dots: `coordinator.listen.port`; ANY_NAME stands for each name of a map. */
  readonly path: string
  /** Name in the environment: `ENGINE_COORDINATOR__LISTEN__PORT`; null for what is within a map. */
  readonly variable: string | null
  readonly type: 'text' | 'number' | 'switch' | 'list' | 'map'
  /** What may be written, for people: `0–65535`, `json | text`. */
  readonly allowed: string
  readonly default: unknown
  readonly meta: FieldMeta | null
}

/** In a path: the names of a map, which people choose. */
export const ANY_NAME = 'NAME'

function inner(schema: z.ZodType): z.ZodType {
  let current: z.ZodType = schema
  for (;;) {
    if (current instanceof z.ZodPipe) current = current.out as z.ZodType
    else if (
      current instanceof z.ZodDefault ||
      current instanceof z.ZodPrefault ||
      current instanceof z.ZodNullable ||
      current instanceof z.ZodOptional
    ) {
      current = current.unwrap() as z.ZodType
    } else return current
  }
}

function kind(schema: z.ZodType): Pick<Field, 'type' | 'allowed'> {
  if (schema instanceof z.ZodRecord) return { type: 'map', allowed: 'a map by name' }
  if (schema instanceof z.ZodUnion && schema.options.some((one) => one instanceof z.ZodBoolean)) {
    return { type: 'text', allowed: 'text, a number, true or false' }
  }
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
  const leaf: Field = {
    path,
    variable: path.includes(ANY_NAME) ? null : variableName(path),
    ...kind(bare),
    default: defaultOf(schema),
    meta: fieldMeta.get(schema) ?? null,
  }
  const value = bare instanceof z.ZodRecord ? inner(bare.valueType as z.ZodType) : null
  // A map of plain values says all that there is to say itself.
  return value instanceof z.ZodObject ? [leaf, ...collect(value, `${path}.${ANY_NAME}`)] : [leaf]
}

/** The part of a field's path at a place in a file, map names replaced; null where no field has it. */
export function placeIn(field: Field, keys: readonly string[]): readonly string[] | null {
  const known = field.path.split('.').slice(0, keys.length)
  const fits = known.length === keys.length && known.every((part, i) => part === ANY_NAME || part === keys[i])
  return fits ? known : null
}

/** The leaf at a place in a file. */
export function fieldAt(keys: readonly string[]): Field | undefined {
  return fields.find((field) => field.path.split('.').length === keys.length && placeIn(field, keys) !== null)
}

/** Every leaf, in the order of the schema. */
export const fields: readonly Field[] = collect(settingsSchema, '')

/** The configuration's JSON Schema, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(settingsSchema, { io: 'input', metadata: fieldMeta })
}
