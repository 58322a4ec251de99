// A node's disk: releases, manifests, the link, the journal. What is here survives a crash; what was on its way
// to it may be there in part, as a write that a power cut tears.
import { EngineError } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { Records } from '../../src/node/ledger.js'
import type { JournalContents } from '../../src/node/journal.js'
import type { SiteDisk } from '../../src/node/site-disk.js'
import { Crash, type Life } from './clock.js'

interface SiteFiles {
  /** Tree hashes of what stands there, by number. */
  readonly releases: Map<number, string>
  readonly manifests: Map<number, string>
  live: number | null
}

/** What outlives the processes of one node. */
export class NodeDisk {
  readonly sites = new Map<string, SiteFiles>()
  journal: string[] = []
  isFull = false
  /** Longest wait for a write. */
  slowMs = 20
  /** Planted: it says that the journal is written before it is. */
  isEarly = false
  /** Each switch of a link, in order. */
  readonly switches: { readonly site: string; readonly release: number; readonly treeHash: string }[] = []
  /** Each release that came to stand here, once for each time. */
  readonly staged: { readonly site: string; readonly release: number; readonly treeHash: string }[] = []
  onSwitch: (of: NodeDisk['switches'][number]) => void = () => {}
  /** Each hook that began, as `job:number`. */
  readonly hooksRun: string[] = []
  /** Each check of its health that began, as `job:number`. */
  readonly checksRun = new Set<string>()

  site(site: string): SiteFiles {
    const known = this.sites.get(site) ?? { releases: new Map(), manifests: new Map(), live: null }
    this.sites.set(site, known)
    return known
  }
}

export interface DiskAccess {
  readonly disk: NodeDisk
  readonly life: Life
  readonly random: Random
}

/** Takes as long as the disk does, and may be where the process ends. */
export async function write({ disk, life, random }: DiskAccess, what: string): Promise<void> {
  life.step(`before ${what}`)
  if (disk.slowMs > 0 && random.next() < 0.3) await life.sleep(random.below(disk.slowMs) + 1)
  life.step(what)
  if (disk.isFull) throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/', what })
}

const siteIn = /\/sites\/([^/]+)/
const numberIn = /\/(?:releases|trees)\/(\d+)/

const siteOf = (path: string): string => siteIn.exec(path)?.[1] ?? ''
const releaseIn = (path: string): number => Number(numberIn.exec(path)?.[1] ?? 0)

/** The disk as a node's process sees it in one of its lives. */
export function siteDisk(access: DiskAccess): SiteDisk {
  const { disk, life } = access
  return {
    async namesIn(directory) {
      if (directory.endsWith('/sites')) return [...disk.sites.keys()]
      if (directory.endsWith('/releases')) return [...disk.site(siteOf(directory)).releases.keys()].map(String)
      return []
    },
    isDirectory: async (path) => disk.site(siteOf(path)).releases.has(releaseIn(path)),
    async makeDirectories() {
      life.step('directories')
    },
    async moveAside(path) {
      await write(access, 'a directory moved aside')
      disk.site(siteOf(path)).releases.delete(releaseIn(path))
    },
    async removeFile() {
      life.step('a file removed')
    },
    async removeStream() {
      life.step('a stream removed')
    },
    async manifestHash(treePath) {
      const hash = disk.site(siteOf(treePath)).manifests.get(releaseIn(treePath))
      if (hash === undefined) throw new Error('there is no such manifest')
      return hash
    },
    linked: (siteDirectory) => disk.site(siteOf(siteDirectory)).live,
    async prune(siteDirectory, keep) {
      const files = disk.site(siteOf(siteDirectory))
      const kept = new Set([...keep, files.live])
      for (const release of [...files.releases.keys()].filter((each) => !kept.has(each))) {
        await write(
          { ...access, disk: Object.assign(Object.create(disk) as NodeDisk, { isFull: false }) },
          'a release removed',
        )
        files.manifests.delete(release)
        files.releases.delete(release)
      }
    },
  }
}

/** Points a site's link at a release; what is told of comes after it is durable. */
export async function switchLink(access: DiskAccess, siteDirectory: string, release: number): Promise<void> {
  const { disk, life } = access
  const site = siteOf(siteDirectory)
  await write(access, 'a link switched')
  const files = disk.site(site)
  const treeHash = files.releases.get(release)
  if (treeHash === undefined) throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release })
  const isNew = files.live !== release
  files.live = release
  if (isNew) {
    disk.switches.push({ site, release, treeHash })
    disk.onSwitch({ site, release, treeHash })
  }
  life.step('after a link was switched')
}

/** A release gets its name last: the manifest first, then the tree. */
export async function putRelease(access: DiskAccess, targetDirectory: string, treeHash: string): Promise<void> {
  const { disk, life } = access
  const site = siteOf(targetDirectory)
  const release = releaseIn(targetDirectory)
  await write(access, 'a release staged')
  const files = disk.site(site)
  files.manifests.set(release, treeHash)
  life.step('a manifest written')
  files.releases.set(release, treeHash)
  disk.staged.push({ site, release, treeHash })
  life.step('after a release was staged')
}

/** Whether the base of a difference is what it should be. */
export function baseHash(disk: NodeDisk, baseDirectory: string): string | undefined {
  return disk.site(siteOf(baseDirectory)).releases.get(releaseIn(baseDirectory))
}

/** A journal whose records are durable when it says so; a crash may leave the first few of those it was writing. */
export class SimJournal implements Records {
  readonly path = '/journal'
  readonly isSuspect = false
  sizeBytes = 0
  readonly #access: DiskAccess
  #working: Promise<void> = Promise.resolve()

  private constructor(access: DiskAccess) {
    this.#access = access
  }

  static async open(access: DiskAccess): Promise<{ journal: SimJournal; contents: JournalContents }> {
    const records = [...access.disk.journal]
    return { journal: new SimJournal(access), contents: { records, doubtful: [], damagedAt: null, endBytes: 0 } }
  }

  append(records: readonly string[], onDurable: () => void = () => {}): Promise<void> {
    if (this.#access.disk.isEarly) return this.#appendLater(records, onDurable)
    return this.#exclusively(async () => {
      await this.#write(records)
      onDurable()
      this.#access.life.step('after the journal was written')
    })
  }

  rewrite(recordsNow: () => readonly string[]): Promise<void> {
    return this.#exclusively(async () => {
      await write(this.#access, 'the journal rewritten')
      const { disk } = this.#access
      disk.journal = [...recordsNow()]
      this.sizeBytes = disk.journal.reduce((sum, record) => sum + record.length, 0)
    })
  }

  async close(): Promise<void> {}

  async #appendLater(records: readonly string[], onDurable: () => void): Promise<void> {
    const { disk, life } = this.#access
    onDurable()
    life.setTimer(200, () => void disk.journal.push(...records))
  }

  async #write(records: readonly string[]): Promise<void> {
    const { disk, random, life } = this.#access
    const wasAlive = life.isAlive
    try {
      await write(this.#access, 'the journal')
    } catch (error) {
      // A torn write: of records that belong together some may be whole.
      if (wasAlive && error instanceof Crash) disk.journal.push(...records.slice(0, random.below(records.length + 1)))
      throw error
    }
    disk.journal.push(...records)
    this.sizeBytes += records.reduce((sum, record) => sum + record.length, 0)
  }

  #exclusively(run: () => Promise<void>): Promise<void> {
    const done = this.#working.then(run)
    this.#working = done.catch(() => {})
    return done
  }
}
