import type { FastifyDynamicSwaggerOptions, SwaggerTransformObject } from '@fastify/swagger'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { schemaNames } from './schema/registry.js'
import { streamedBodies } from './schema/upload.js'

const REF = '#/components/schemas/'

/** Every component that `value` refers to. */
function* refsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    if (key === '$ref' && typeof child === 'string' && child.startsWith(REF)) yield child.slice(REF.length)
    else yield* refsIn(child)
  }
}

/** Components reached from the routes, directly or through others. */
function reached(paths: unknown, schemas: Readonly<Record<string, unknown>>): Set<string> {
  const found = new Set<string>()
  const waiting = [...refsIn(paths)]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue
    found.add(next)
    waiting.push(...refsIn(schemas[next]))
  }
  return found
}

/**
 * The generator writes each schema twice, as it is sent and as it is received (`JobRequestInput`).
 * This keeps what is used, and the plain name where only one of the two is.
 */
export function tidyComponents<T extends { paths?: unknown; components?: { schemas?: object } }>(document: T): T {
  const schemas = { ...document.components?.schemas } as Record<string, unknown>
  const used = reached(document.paths, schemas)
  const rename = new Map<string, string>()
  for (const name of used) {
    const plain = name.replace(/Input$/, '')
    rename.set(name, name !== plain && !used.has(plain) ? plain : name)
  }
  const renamed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(renamed)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(([key, child]) => {
      const target = key === '$ref' && typeof child === 'string' ? rename.get(child.replace(REF, '')) : undefined
      return [key, target === undefined ? renamed(child) : REF + target]
    })
    return Object.fromEntries(entries)
  }
  const kept = [...used].sort().map((name) => [rename.get(name) ?? name, renamed(schemas[name])])
  const components = { ...document.components, schemas: Object.fromEntries(kept) }
  return { ...document, paths: renamed(document.paths), components }
}

/** Adds the bodies that no schema checks. */
function withStreamedBodies<T extends { paths?: unknown }>(document: T): T {
  const paths = { ...(document.paths as Readonly<Record<string, Readonly<Record<string, object>>>>) }
  for (const [path, { method, content }] of Object.entries(streamedBodies)) {
    const methods = paths[path]
    if (methods === undefined) continue
    paths[path] = { ...methods, [method]: { ...methods[method], requestBody: { required: true, content } } }
  }
  return { ...document, paths }
}

/** Options of @fastify/swagger: OpenAPI 3.1 from the schemas that check requests and answers. */
export const openApiOptions: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'distributary',
      description: 'Publishes directory trees to groups of nodes and switches them live at once.',
      version: '1',
    },
    servers: [],
  },
  // Where HEAD is answered it was written down: its operation is that of GET, with -head.
  exposeHeadRoutes: true,
  transform: createJsonSchemaTransform({ schemaRegistry: schemaNames }),
  transformObject: ((document) => {
    const whole = createJsonSchemaTransformObject({ schemaRegistry: schemaNames })(document)
    return tidyComponents(withStreamedBodies(whole))
  }) satisfies SwaggerTransformObject,
}
