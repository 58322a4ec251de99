import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EngineError } from '../base/errors.js'
import type { ReleaseRef } from '../model/node.js'
import { treeHash } from '../native/content.js'
import type { Relay } from '../native/relay.js'
import { Applying, readLive, removeTree, switchLive } from '../native/sites.js'
import type { ContentPaths } from './paths.js'

/** An assignment to be carried out on the shadow. */
export interface ShadowStage {
  readonly site: string
  readonly release: ReleaseRef
  /** Number of the base release; null: the assignment brings everything. */
  readonly baseRelease: number | null
  readonly assignmentId: string
  readonly serial: number
  /** Session that the stream is still written through; absent: the file is whole. */
  readonly following?: { readonly relay: Relay; readonly session: number }
}

/** The coordinator's exact copies: the release that is live, and the ones it may go back to. */
export class Shadow {
  readonly #paths: ContentPaths
  /** What is being removed, by directory: jobs that end one after the other tidy up at once. */
  readonly #dropping = new Map<string, Promise<void>>()

  constructor(paths: ContentPaths) {
    this.#paths = paths
  }

  /** Whether a release stands here whole, with the manifest it should have. */
  async holds(site: string, { release, treeHash: wanted }: ReleaseRef): Promise<boolean> {
    const treePath = this.#paths.tree(site, release)
    if (!existsSync(this.#paths.release(site, release)) || !existsSync(treePath)) return false
    try {
      return (await treeHash(treePath)).treeHash === wanted
    } catch (error) {
      if (error instanceof EngineError && error.code === 'ENGINE_ERR_TREE_CORRUPT') return false
      throw error
    }
  }

  /**
   * Carries out an assignment beside the live release. Durable and checked when it settles; a release
   * that stands here already is left as it is.
   * @throws {EngineError} ENGINE_ERR_CANCELLED when `signal` fires, ENGINE_ERR_TREE_MISMATCH when it came out
   * otherwise than promised, ENGINE_ERR_SHADOW_DAMAGED when its base is not what was staged, ENGINE_ERR_NO_SPACE and
   * what else applying meets.
   */
  async stage(stage: ShadowStage, signal: AbortSignal): Promise<void> {
    const { site, release, baseRelease } = stage
    if (await this.holds(site, release)) return
    await this.drop(site, release.release)
    signal.throwIfAborted()
    await mkdir(this.#paths.site(site), { recursive: true })
    const applying = new Applying({
      ...stage.following,
      streamPath: this.#paths.stream(stage.serial),
      assignmentId: stage.assignmentId,
      baseDirectory: baseRelease === null ? null : this.#paths.release(site, baseRelease),
      baseTreePath: baseRelease === null ? null : this.#paths.tree(site, baseRelease),
      targetDirectory: this.#paths.release(site, release.release),
      treePath: this.#paths.tree(site, release.release),
    })
    const cancel = (): void => applying.cancel()
    signal.addEventListener('abort', cancel)
    try {
      const { treeHash: found } = await applying.result()
      if (found !== release.treeHash) {
        const why = `release ${release.release} has the hash ${found}, not ${release.treeHash}`
        throw new EngineError('ENGINE_ERR_TREE_MISMATCH', { why })
      }
    } catch (error) {
      throw baseRelease === null ? error : damagedBase(error, site, baseRelease)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** The release that the shadow shows as live; null when none. */
  live(site: string): number | null {
    return readLive(this.#paths.site(site))
  }

  /** Makes the shadow show a release; durable when it settles. Nothing happens when it does already. */
  async switchTo(site: string, release: number): Promise<void> {
    if (this.live(site) === release) return
    await switchLive(this.#paths.site(site), release)
  }

  /** A release counts for nothing any more, live or not: it is no base, and is not packed. Its tree stays. */
  async disown(site: string, release: number): Promise<void> {
    await rm(this.#paths.tree(site, release), { force: true })
  }

  /** Numbers of the releases whose trees are on the disk, whole or not. */
  async standing(site: string): Promise<readonly number[]> {
    const names = await namesIn(dirname(this.#paths.release(site, 0)))
    return names.filter((name) => ownNumber.test(name)).map(Number)
  }

  /** Removes a release that is not live. Its manifest goes first: without it a tree counts for nothing. */
  async drop(site: string, release: number): Promise<void> {
    if (this.live(site) === release) return
    const directory = this.#paths.release(site, release)
    const dropping = this.#dropping.get(directory) ?? this.#remove(site, release)
    this.#dropping.set(directory, dropping)
    await dropping.finally(() => this.#dropping.delete(directory))
  }

  async #remove(site: string, release: number): Promise<void> {
    await rm(this.#paths.tree(site, release), { force: true })
    await removeTree(this.#paths.release(site, release))
  }

  /**
   * Removes what a process that was killed left: releases and manifests that are neither kept nor live,
   * and whatever was being staged. Other names stay.
   */
  async sweep(site: string, kept: ReadonlySet<number>): Promise<void> {
    for (const name of await namesIn(dirname(this.#paths.release(site, 0)))) {
      if (ownNumber.test(name) && !kept.has(Number(name))) await this.drop(site, Number(name))
      if (ownStaging.test(name)) await removeTree(join(dirname(this.#paths.release(site, 0)), name))
    }
    for (const name of await namesIn(dirname(this.#paths.tree(site, 0)))) {
      const release = ownManifest.exec(name)?.[1]
      if (release !== undefined && !kept.has(Number(release))) await this.drop(site, Number(release))
    }
  }
}

/** Nobody sends the shadow another copy of its base: what is wrong with it is to be said to people. */
function damagedBase(error: unknown, site: string, release: number): unknown {
  if (!(error instanceof EngineError) || error.code !== 'ENGINE_ERR_BASE_MISSING') return error
  const why = error.details['why'] ?? error.message
  return new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release, why }, { cause: error })
}

const ownNumber = /^[1-9]\d{0,15}$/
const ownStaging = /^\.staging-[1-9]\d{0,15}$/
const ownManifest = /^([1-9]\d{0,15})\.tree$/

async function namesIn(directory: string): Promise<readonly string[]> {
  return existsSync(directory) ? readdir(directory) : []
}
