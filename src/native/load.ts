// The only file that loads a .node file.
// In: nothing. Out: the two addons, loaded once, when first asked for. Never: a silent fallback.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineError } from '../base/errors.js'
import type * as generated from '../../native/addon/index.js'
import type { DatagramProbe } from './datagrams.js'

/** The Rust addon, as `index.d.ts` is generated from it; its errors are plain `Error`s with a `code`. */
export type EngineAddon = typeof generated
export type RawRelay = generated.Relay
export type RawRehearsal = generated.Rehearsal
export type RawApplying = generated.Applying
export type RawVerifying = generated.Verifying

/** The C++ addon. */
export interface MulticastAddon {
  probe(interfaceAddress: string, group: string, port: number): Promise<DatagramProbe>
}

const require = createRequire(import.meta.url)
let loadedEngine: EngineAddon | undefined
let loadedMulticast: MulticastAddon | undefined

/** The package's own directory: the nearest one above this file that holds the addons' sources. */
function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'native', 'addon', 'Cargo.toml'))) {
    const above = dirname(directory)
    if (above === directory) return directory
    directory = above
  }
  return directory
}

function load(path: string): unknown {
  const file = join(packageDirectory(), path)
  try {
    return require(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError('ENGINE_ERR_NATIVE_MISSING', { name: file, why: reason }, { cause })
  }
}

/** The Rust addon. @throws {EngineError} ENGINE_ERR_NATIVE_MISSING, naming the file that was tried. */
export function engine(): EngineAddon {
  loadedEngine ??= load('native/addon/index.cjs') as EngineAddon
  return loadedEngine
}

/** The C++ addon. @throws {EngineError} ENGINE_ERR_NATIVE_MISSING, naming the file that was tried. */
export function multicast(): MulticastAddon {
  loadedMulticast ??= load('native/multicast/multicast.node') as MulticastAddon
  return loadedMulticast
}
