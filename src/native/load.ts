// The only file that loads a .node file.
// In: nothing. Out: the two addons, loaded once, when first asked for. Never: a silent fallback.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineError } from '../base/errors.js'
import type { NodePlan } from '../model/plan.js'
import type {
  PackBatch,
  PackOptions,
  PackResult,
  ScanOptions,
  ScanProgress,
  ScanResult,
  TreeSummary,
} from './content.js'
import type { DatagramProbe } from './datagrams.js'
import type { KeyPair } from './keys.js'
import type { ReceiverSessionOptions, RelayOptions, SessionStatus, SourceSessionOptions } from './relay.js'
import type { ApplyOptions, ApplyResult } from './sites.js'
import type { DirectoryLock, StorageProbe } from './storage.js'

/** The relay as the addon exports it; its errors are plain `Error`s with a `code`. */
export interface RawRelay {
  readonly host: string
  readonly port: number
  openSource(options: SourceSessionOptions): number
  openReceiver(options: ReceiverSessionOptions): Promise<number>
  vouch(session: number, vouch: Uint8Array): void
  setPlan(session: number, plan: NodePlan): void
  poll(): SessionStatus[]
  closeSession(session: number): void
  close(): Promise<void>
}

export interface RawApplying {
  result(): Promise<ApplyResult>
  cancel(): void
}

type RawApplyOptions = Omit<ApplyOptions, 'relay'> & { readonly relay?: RawRelay }

/** The Rust addon. */
export interface EngineAddon {
  readonly Relay: new (options: RelayOptions) => RawRelay
  readonly Applying: new (options: RawApplyOptions) => RawApplying
  lockDirectory(path: string): DirectoryLock
  scan(options: ScanOptions, onProgress: (progress: ScanProgress) => boolean): ScanResult
  pack(options: PackOptions, onBatch: (batch: PackBatch) => boolean): PackResult
  treeHash(treePath: string): TreeSummary
  switchLive(siteDirectory: string, release: number): Promise<void>
  readLive(siteDirectory: string): number | null
  removeTree(path: string): Promise<void>
  generateKey(): KeyPair
  publicKeyOf(seed: Uint8Array): Buffer
  blake3(bytes: Uint8Array): string
  probeStorage(directory: string): Promise<StorageProbe>
}

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
  while (!existsSync(join(directory, 'native', 'addon'))) {
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
