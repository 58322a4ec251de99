import { readFileSync } from 'node:fs'
import { EngineError } from './errors.js'

export interface Software {
  readonly name: string
  readonly version: string
}

/** The package's own description: two levels up in a checkout, three when built. */
export function readSoftware(): Software {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Software
      return { name, version }
    } catch {
      // The other place.
    }
  }
  throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'the package has no package.json' })
}
