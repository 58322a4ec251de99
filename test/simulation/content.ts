// The coordinator's files and what travels, as far as anybody can tell them apart: a tree is its hash, a stream
// the tree that it makes. Sizes, chunks and relays are left out; how long it takes and that it fails is not.
import { createHash } from 'node:crypto'
import { EngineError } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { Content } from '../../src/content/index.js'
import { ContentPaths } from '../../src/content/paths.js'
import type { ReleaseRef } from '../../src/model/node.js'
import type { PackBatch, PackResult, ScanResult } from '../../src/native/content.js'
import type { Relay } from '../../src/native/relay.js'
import type { Uploads } from '../../src/uploads/index.js'
import type { Life } from './clock.js'

type ScanOrder = Parameters<Content['scan']>[0]
type PackOrder = Parameters<Content['pack']>[0]
type StageOrder = Parameters<Content['shadow']['stage']>[0]

/** A stream, by the id of its assignment. */
export interface Stream {
  readonly serial: number
  readonly treeHash: string
  readonly baseRelease: number | null
  isWhole: boolean
  /** Some coordinator sends it just now. */
  isSent: boolean
}

/** What outlives the processes of the coordinator. */
export class CoordinatorDisk {
  /** Files of assignments, by serial. */
  readonly files = new Map<number, string>()
  readonly shadow = new Map<string, Map<number, string>>()
  readonly shadowLive = new Map<string, number>()
  /** Every stream that was ever made, by assignment. */
  readonly streams = new Map<string, Stream>()
  /** How often a directory was changed by hand. */
  readonly changes = new Map<string, number>()

  releases(site: string): Map<number, string> {
    const known = this.shadow.get(site) ?? new Map<number, string>()
    this.shadow.set(site, known)
    return known
  }
}

const hashOf = (...parts: readonly unknown[]): string => createHash('sha256').update(parts.join('\0')).digest('hex')

export interface SimContentOptions {
  readonly disk: CoordinatorDisk
  readonly life: Life
  readonly random: Random
}

/** Stands for `Content` and its shadow. */
export class SimContent {
  readonly paths = new ContentPaths('/coordinator')
  readonly #options: SimContentOptions
  readonly #scanned = new Map<string, string>()

  constructor(options: SimContentOptions) {
    this.#options = options
  }

  get asContent(): Content {
    return this as unknown as Content
  }

  async scan({ jobId, site, directory, base }: ScanOrder, { signal }: { signal: AbortSignal }): Promise<ScanResult> {
    const { disk, life, random } = this.#options
    await life.sleep(1 + random.below(200), signal)
    // Somebody may write to it between two scans.
    const changes = (disk.changes.get(directory) ?? 0) + (random.next() < 0.3 ? 1 : 0)
    disk.changes.set(directory, changes)
    const treeHash = hashOf('tree', directory, changes)
    this.#scanned.set(jobId, treeHash)
    const shadow = base === null ? undefined : disk.releases(site).get(base)
    const counts = { entryCount: 10, fileCount: 10, totalBytes: 1000, filesAdded: 1, filesChanged: 1, filesDeleted: 0 }
    return { treeHash, ...counts, shadowFileCount: 10, identical: shadow === treeHash }
  }

  async pack(
    order: PackOrder,
    { signal, onUpdate }: { signal: AbortSignal; onUpdate?: (batch: PackBatch) => void },
  ): Promise<PackResult> {
    const { disk, life, random } = this.#options
    const { source, site, release, baseRelease, serial } = order
    const treeHash = source === 'shadow' ? disk.releases(site).get(release) : this.#scanned.get(source.jobId)
    if (treeHash === undefined) throw new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release, why: 'it is gone' })
    const assignmentId = hashOf('assignment', serial, site, release, treeHash).slice(0, 32)
    const sizes = { chunkBytes: 262_144, streamBytes: 1000 }
    await life.sleep(1 + random.below(100), signal)
    life.step('a stream begun')
    disk.files.set(serial, assignmentId)
    const stream: Stream = { serial, treeHash, baseRelease, isWhole: false, isSent: false }
    disk.streams.set(assignmentId, stream)
    const batch = { assignmentId, ...sizes, chunks: 1, filesPacked: 1, bytesPacked: 1 }
    try {
      onUpdate?.({ ...batch, vouch: null })
      await life.sleep(1 + random.below(300), signal)
      onUpdate?.({ ...batch, vouch: new Uint8Array(8) })
      if (random.next() < 0.02) throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/coordinator' })
    } catch (error) {
      if (life.isAlive) disk.files.delete(serial)
      throw error
    }
    life.step('a stream packed')
    stream.isWhole = true
    return { assignmentId, serial, ...sizes, chunkCount: 1, dataDigest: hashOf('data', treeHash), contentBytes: 1000 }
  }

  holds = (site: string, release: ReleaseRef): Promise<boolean> => this.shadow.holds(site, release)

  hasAssignment(serial: number): boolean {
    const { disk } = this.#options
    const id = disk.files.get(serial)
    return id !== undefined && disk.streams.get(id)?.isWhole === true
  }

  async dropAssignment(serial: number): Promise<void> {
    this.#options.life.step('a stream removed')
    this.#options.disk.files.delete(serial)
  }

  async dropScan(jobId: string): Promise<void> {
    this.#scanned.delete(jobId)
  }

  async sweep(known: ReadonlySet<number>): Promise<void> {
    const { files } = this.#options.disk
    for (const serial of files.keys()) if (!known.has(serial)) files.delete(serial)
  }

  readonly shadow = {
    holds: async (site: string, { release, treeHash }: ReleaseRef): Promise<boolean> =>
      this.#options.disk.releases(site).get(release) === treeHash,
    stage: async ({ site, release, baseRelease, assignmentId }: StageOrder, signal: AbortSignal): Promise<void> => {
      const { disk, life, random } = this.#options
      await life.sleep(1 + random.below(100), signal)
      const stream = disk.streams.get(assignmentId)
      while (stream?.isWhole === false) await life.sleep(20, signal)
      life.step('the shadow staged')
      if (baseRelease !== null && !disk.releases(site).has(baseRelease)) {
        throw new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release: baseRelease, why: 'it is gone' })
      }
      disk.releases(site).set(release.release, stream?.treeHash ?? '')
    },
    live: (site: string): number | null => this.#options.disk.shadowLive.get(site) ?? null,
    switchTo: async (site: string, release: number): Promise<void> => {
      this.#options.life.step('the shadow switched')
      this.#options.disk.shadowLive.set(site, release)
    },
    disown: async (site: string, release: number): Promise<void> => {
      this.#options.disk.releases(site).delete(release)
    },
    standing: async (site: string): Promise<readonly number[]> => [...this.#options.disk.releases(site).keys()],
    drop: async (site: string, release: number): Promise<void> => {
      this.#options.life.step('a release of the shadow removed')
      if (this.#options.disk.shadowLive.get(site) !== release) this.#options.disk.releases(site).delete(release)
    },
    sweep: async (site: string, kept: ReadonlySet<number>): Promise<void> => {
      for (const release of this.#options.disk.releases(site).keys()) {
        if (!kept.has(release) && this.shadow.live(site) !== release) this.#options.disk.releases(site).delete(release)
      }
    },
  }
}

/** Stands for the relay: it knows which streams are sent. */
export function simRelay({ disk, life }: SimContentOptions): Relay {
  const sessions = new Map<number, string>()
  const set = (session: number, isSent: boolean): void => {
    const stream = disk.streams.get(sessions.get(session) ?? '')
    if (stream !== undefined && life.isAlive) stream.isSent = isSent
  }
  const relay = {
    openSource({ assignmentId }: { readonly assignmentId: string }): number {
      life.step('a session opened')
      const session = sessions.size + 1
      sessions.set(session, assignmentId)
      set(session, true)
      return session
    },
    vouch: (): void => {},
    setPlan: (): void => {},
    setPace: (): void => {},
    closeSession: (session: number): void => set(session, false),
    poll: () => [],
    isListening: true,
  }
  return relay as unknown as Relay
}

/** Stands for uploads: every id is one that is whole, in a directory of its own. */
export const simUploads = {
  directoryOf: async (upload: string): Promise<string> => `/uploads/${upload}`,
  owns: (): boolean => false,
  stalled: (): null => null,
  sweep: async (): Promise<void> => {},
} as unknown as Uploads
