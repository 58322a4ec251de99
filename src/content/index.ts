// In: a staging directory and the number of the live release. Out: what differs, an assignment that carries it,
// and the shadow: the coordinator's own copy, staged from that assignment and switched when told.
// Never: a decision whether to publish (src/jobs), a byte to a node (src/transfer), a file it did not name itself.
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, type ErrorCode, toEngineError } from '../base/errors.js'
import type { ReleaseRef } from '../model/node.js'
import type { HeldRelease, PackBatch, PackResult, ScanProgress, ScanResult } from '../native/content.js'
import { removeStream } from '../native/sites.js'
import { compareTrees, editTree, type TreeEdit } from '../native/uploads.js'
import type { TaskRun, WorkerPool } from '../pool/pool.js'
import { ContentPaths, serialOf } from './paths.js'
import { Shadow } from './shadow.js'

export interface ContentOptions {
  /** The coordinator's data directory. */
  readonly directory: string
  readonly pool: Pick<WorkerPool, 'scan' | 'pack'>
  /** Seed of the key that signs assignments, 32 bytes. */
  readonly keySeed: Uint8Array
}

/** What to pack: a scanned staging directory, or a release of the shadow. */
export type PackSource =
  | {
      readonly jobId: string
      readonly directory: string
      /** Set where `directory` holds contents by digest; see `PackOptions` of src/native/content. */
      readonly held: readonly HeldRelease[] | null
    }
  | 'shadow'

/** What to look at for a job. */
export interface ScanOrder {
  readonly jobId: string
  readonly site: string
  readonly directory: string
  /** Null: there is none; everything counts as added. */
  readonly base: number | null
  /** The manifest of what is to come: nothing is read then. Null or absent: the directory is read. */
  readonly treePath?: string | null
}

export interface PackOrder {
  readonly source: PackSource
  readonly site: string
  readonly release: number
  /** Release of the shadow that receivers hold; null: everything travels whole. */
  readonly baseRelease: number | null
  readonly serial: number
  /** 0: as the size of the content has it. */
  readonly chunkBytes: number
  readonly nowMs: number
}

/** What is wrong with one entry of a directory; native code names it from there. */
const ofEntries: ReadonlySet<ErrorCode> = new Set([
  'ENGINE_ERR_FILE_CHANGING',
  'ENGINE_ERR_SOURCE_UNREADABLE',
  'ENGINE_ERR_SPECIAL_FILE',
])

/** The same error with the whole path in its words: who reads it may not know which directory was read. */
function located(error: unknown, directory: string): unknown {
  if (!(error instanceof EngineError) || !ofEntries.has(error.code)) return error
  const { path } = error.details
  if (typeof path !== 'string') return error
  return new EngineError(error.code, { ...error.details, directory, path: join(directory, path) }, { cause: error })
}

/** What packing found of the shadow that is not what was staged there. */
const ofDamage: ReadonlySet<ErrorCode> = new Set(['ENGINE_ERR_FILE_CHANGING', 'ENGINE_ERR_TREE_CORRUPT'])

/** Nothing writes to the shadow: a file that is not what its manifest says is damage, and stays it. */
function damaged(error: unknown, { site, release }: PackOrder): unknown {
  if (!(error instanceof EngineError) || !ofDamage.has(error.code)) return error
  const { path } = error.details
  const why = error.code === 'ENGINE_ERR_TREE_CORRUPT' ? error.message : `'${String(path)}' is not what was staged`
  return new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release, path, why }, { cause: error })
}

export class Content {
  readonly paths: ContentPaths
  readonly shadow: Shadow
  readonly #pool: ContentOptions['pool']
  readonly #keySeed: Uint8Array

  private constructor(options: ContentOptions) {
    this.paths = new ContentPaths(options.directory)
    this.shadow = new Shadow(this.paths)
    this.#pool = options.pool
    this.#keySeed = options.keySeed
  }

  /** @throws {EngineError} ENGINE_ERR_DATA_DIR_UNWRITABLE. */
  static async open(options: ContentOptions): Promise<Content> {
    const content = new Content(options)
    try {
      for (const directory of [content.paths.sites, content.paths.assignments, content.paths.work]) {
        await mkdir(directory, { recursive: true })
      }
    } catch (error) {
      const why = toEngineError(error).message
      throw new EngineError('ENGINE_ERR_DATA_DIR_UNWRITABLE', { path: options.directory, why }, { cause: error })
    }
    return content
  }

  /**
   * Reads a staging directory and compares it with a release of the shadow.
   * @throws {EngineError} ENGINE_ERR_SPECIAL_FILE, ENGINE_ERR_SOURCE_UNREADABLE, ENGINE_ERR_FILE_CHANGING with the
   * whole path of what is meant, and what else the scan refuses.
   */
  async scan(order: ScanOrder, run: TaskRun<ScanProgress>): Promise<ScanResult> {
    const { jobId, site, directory, base, treePath } = order
    const shadowTreePath = base === null ? null : this.paths.tree(site, base)
    if (treePath !== undefined && treePath !== null) {
      await copyFile(treePath, this.paths.scannedTree(jobId))
      return compareTrees(this.paths.scannedTree(jobId), shadowTreePath)
    }
    try {
      return await this.#pool.scan({ directory, outTreePath: this.paths.scannedTree(jobId), shadowTreePath }, run)
    } catch (error) {
      throw located(error, directory)
    }
  }

  /**
   * Writes the manifest that edits make of a release of the shadow (null: of nothing). Gives its path.
   * @throws {EngineError} as `editTree`.
   */
  async edit(jobId: string, base: (ReleaseRef & { readonly site: string }) | null, edits: readonly TreeEdit[]) {
    const path = this.paths.editedTree(jobId)
    await editTree(base === null ? null : this.paths.tree(base.site, base.release), edits, path)
    return path
  }

  /**
   * Packs an assignment into its files; those of a pack that fails are removed.
   * @throws {EngineError} ENGINE_ERR_SHADOW_DAMAGED when a release of the shadow is not what was staged there, and
   * what packing refuses.
   */
  async pack(order: PackOrder, run: TaskRun<PackBatch>): Promise<PackResult> {
    const { source, site, release, baseRelease, serial } = order
    const own = source === 'shadow'
    const directory = own ? this.paths.release(site, release) : source.directory
    if (own && !existsSync(this.paths.tree(site, release))) {
      throw new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release, why: 'its list of files is gone' })
    }
    try {
      return await this.#pool.pack(
        {
          directory,
          treePath: own ? this.paths.tree(site, release) : this.paths.scannedTree(source.jobId),
          baseDirectory: baseRelease === null ? null : this.paths.release(site, baseRelease),
          baseTreePath: baseRelease === null ? null : this.paths.tree(site, baseRelease),
          serial,
          command: own ? 'replicate' : 'publish',
          site,
          release,
          baseRelease: baseRelease ?? 0,
          outPath: this.paths.stream(serial),
          vouchPath: this.paths.vouches(serial),
          chunkBytes: order.chunkBytes,
          signingKey: this.#keySeed,
          createdNs: BigInt(order.nowMs) * 1_000_000n,
          held: own ? null : source.held,
        },
        run,
      )
    } catch (error) {
      await this.dropAssignment(serial)
      throw own ? damaged(error, order) : located(error, directory)
    }
  }

  /** Whether a release can be a base or packed whole. */
  holds(site: string, release: ReleaseRef): Promise<boolean> {
    return this.shadow.holds(site, release)
  }

  /** Whether the files of an assignment are there. */
  hasAssignment(serial: number): boolean {
    return existsSync(this.paths.stream(serial)) && existsSync(this.paths.vouches(serial))
  }

  /** Removes an assignment's files. */
  async dropAssignment(serial: number): Promise<void> {
    await removeStream(this.paths.stream(serial))
    await rm(this.paths.vouches(serial), { force: true })
  }

  /** Removes what the scan of a job left. */
  async dropScan(jobId: string): Promise<void> {
    await rm(this.paths.scannedTree(jobId), { force: true })
    await rm(this.paths.editedTree(jobId), { force: true })
  }

  /**
   * Removes files of assignments that nobody knows any longer and all leftovers of scans: what a
   * process that was killed could not remove itself. Names that are not ours stay.
   */
  async sweep(knownSerials: ReadonlySet<number>): Promise<void> {
    for (const name of await readdir(this.paths.assignments)) {
      const serial = serialOf(name)
      if (serial !== null && !knownSerials.has(serial)) await this.dropAssignment(serial)
    }
    for (const name of await readdir(this.paths.work)) {
      if (name.endsWith('.tree')) await rm(join(this.paths.work, name), { force: true })
    }
  }
}
