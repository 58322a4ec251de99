import { join } from 'node:path'
import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { RELEASES_KEPT } from '../base/limits.js'
import { REPLACED_KEPT_MS } from '../base/verify-limits.js'
import type { Logger } from '../base/log.js'
import { NAME_PATTERN } from '../model/name.js'
import type { ReleaseRef } from '../model/node.js'
import type { Ledger } from './ledger.js'
import { assignmentOf, type NodePaths, releaseOf } from './paths.js'
import { Pins } from './pins.js'
import { realDisk, type SiteDisk } from './site-disk.js'
import { illnessOf, isHeld, isLive, type JournalRecord, type SiteState } from './state.js'

export interface ReleasesOptions {
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly clock: Clock
  readonly log: Logger
  /** Absent: the machine's. */
  readonly disk?: SiteDisk
}

/**
 * The releases to remove from a site: those that were live once, or that the live one has overtaken,
 * beyond the newest that are kept. Never the live one, one that waits for its commit, or one in use. Pure.
 */
export function chooseDoomed(site: SiteState, inUse: ReadonlySet<number>): readonly number[] {
  const { live, held } = site
  if (live === null) return []
  const past = [...held.values()].filter(
    ({ release, wasLive }) => release !== live.release && (wasLive || release < live.release),
  )
  const byAge = past.map(({ release }) => release).sort((a, b) => b - a)
  return byAge.slice(RELEASES_KEPT - 1).filter((release) => !inUse.has(release))
}

/** The releases of all sites on this node's disk, and what the journal says of them brought together. */
export class Releases {
  /** Releases that somebody reads, or whose place another one has just taken. */
  readonly pins = new Pins()
  readonly #options: ReleasesOptions
  readonly #disk: SiteDisk
  readonly #timers = new Set<Cancel>()

  constructor(options: ReleasesOptions) {
    this.#options = options
    this.#disk = options.disk ?? realDisk
  }

  /** Whether a release stands whole on the disk: it gets its name last, so directory and manifest prove it. */
  async stands(site: string, ref: ReleaseRef): Promise<boolean> {
    const { paths } = this.#options
    if (!(await this.#disk.isDirectory(paths.release(site, ref.release)))) return false
    return (await this.#manifestHash(site, ref.release)) === ref.treeHash
  }

  /**
   * Brings journal and disk together after a start: releases that are gone are not held, `live` is
   * what its link says, and leftovers that are recognised as ours and needed by nothing are removed.
   */
  async recover(): Promise<void> {
    const { ledger, paths } = this.#options
    const onDisk = (await this.#disk.namesIn(paths.sites)).filter((site) => NAME_PATTERN.test(site))
    const sites = new Set([...ledger.state.sites.keys(), ...onDisk])
    for (const site of sites) await ledger.record(...(await this.#differences(site)))
    if (ledger.isDamaged) return
    await this.#endAssignments()
    for (const site of sites) await this.#removeStagings(site)
    await this.#removeAssignments()
  }

  /**
   * Makes way for a release that is to be staged. Another release under its number that was never
   * switched to is removed; a directory that nobody knows is moved aside, never removed.
   * @param inUse  releases of the site that are being staged: what is there of them stays.
   * One that is live and damaged stays: readers see it until the new one takes its place, in one step.
   * @throws {EngineError} ENGINE_ERR_RELEASE_CONFLICT when the number is live with other content.
   */
  async makeWay(site: string, ref: ReleaseRef, inUse: ReadonlySet<number>): Promise<void> {
    const { ledger, paths, clock, log } = this.#options
    const { release } = ref
    const known = ledger.state.sites.get(site)
    const isLiveHere = known?.live?.release === release
    const isReplaced = isLiveHere && illnessOf(ledger.state, site, ref) !== null
    if (isLiveHere && !isReplaced) throw new EngineError('ENGINE_ERR_RELEASE_CONFLICT', { site, release })
    await this.#disk.makeDirectories([paths.releases(site), paths.trees(site), paths.assignments])
    if (isReplaced) return
    const path = paths.release(site, release)
    if (known?.held.has(release)) await this.drop(site, release, inUse)
    else if ((await this.#disk.isDirectory(path)) && this.linked(site) !== release) {
      const aside = join(paths.releases(site), `.aside-${release}-${clock.nowMs()}`)
      await this.#disk.moveAside(path, aside)
      log.warn({ site, release, aside }, 'a release that nobody knows was in the way; it was moved aside')
    }
  }

  /** Removes one release that is not live. What is being staged of the others `inUse` stays. */
  async drop(site: string, release: number, inUse: ReadonlySet<number>): Promise<void> {
    await this.#remove(site, [release], new Set([...inUse].filter((used) => used !== release)))
  }

  /**
   * Removes what a site no longer needs, stagings that nobody works on among it. `inUse` are releases that
   * stagings build on or are building.
   */
  async prune(site: string, inUse: ReadonlySet<number>): Promise<void> {
    const { ledger } = this.#options
    const state = ledger.state.sites.get(site)
    if (state === undefined) return
    const doomed = chooseDoomed(state, new Set([...inUse, ...this.pins.of(site)]))
    if (doomed.length > 0) await this.#remove(site, doomed, inUse)
    else if (!ledger.isDamaged) await this.#pruneExcept(site, new Set(), inUse)
  }

  /**
   * A release has taken the place of the damaged one of its number. That one lies where the new one was built, and
   * goes when no reader can still be on its way into it.
   */
  replaced(site: string, release: number, inUse: () => ReadonlySet<number>): void {
    const { clock, log } = this.#options
    const unpin = this.pins.add(site, release)
    const cancel = clock.setTimer(REPLACED_KEPT_MS, () => {
      this.#timers.delete(cancel)
      unpin()
      this.prune(site, inUse()).catch((error: unknown) => {
        log.error({ err: toEngineError(error), site, release }, 'the damaged tree cannot be removed')
      })
    })
    this.#timers.add(cancel)
  }

  /** Waits for nothing: what was to be removed later is removed after the next start. */
  close(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  /** The release that readers see; null when there is none, or when `live` is not ours. */
  linked(site: string): number | null {
    try {
      return this.#disk.linked(this.#options.paths.site(site))
    } catch (error) {
      this.#options.log.error({ err: toEngineError(error), site }, 'what is live cannot be told')
      return null
    }
  }

  /**
   * Writes down what `live` shows by now, where somebody moved it: nothing is touched, and the coordinator has the
   * node switch again. What is being switched meanwhile must not be looked at.
   */
  async look(site: string): Promise<void> {
    const { ledger } = this.#options
    const live = ledger.state.sites.get(site)?.live ?? null
    if (live === null || this.linked(site) === live.release) return
    await ledger.record(...(await this.#liveDifference(site, new Set())))
  }

  /** Removes an assignment's files. */
  async removeFiles(assignmentId: string): Promise<void> {
    const { paths } = this.#options
    await this.#disk.removeStream(paths.stream(assignmentId))
    await this.#disk.removeFile(paths.vouches(assignmentId))
  }

  async #manifestHash(site: string, release: number): Promise<string | null> {
    try {
      return await this.#disk.manifestHash(this.#options.paths.tree(site, release))
    } catch {
      return null
    }
  }

  async #differences(site: string): Promise<JournalRecord[]> {
    const { ledger, log } = this.#options
    const gone = new Set<number>()
    for (const held of ledger.state.sites.get(site)?.held.values() ?? []) {
      if (await this.stands(site, held)) continue
      log.warn({ site, release: held.release }, 'a release that was held is gone')
      gone.add(held.release)
    }
    const dropped = [...gone].map((release): JournalRecord => ({ type: 'dropped', site, release }))
    return [...dropped, ...(await this.#finished(site)), ...(await this.#liveDifference(site, gone))]
  }

  /** What came to stand just before a crash, and is not in the journal: unless it is known it is never dropped. */
  async #finished(site: string): Promise<JournalRecord[]> {
    const { state } = this.#options.ledger
    const found: JournalRecord[] = []
    for (const { site: of, release, treeHash } of state.begun.values()) {
      const ref = { release, treeHash }
      if (of !== site || isHeld(state, site, ref) || illnessOf(state, site, ref) !== null) continue
      if (state.sites.get(site)?.live?.release === release || !(await this.stands(site, ref))) continue
      found.push({ type: 'staged', site, ...ref })
    }
    return found
  }

  async #liveDifference(site: string, gone: ReadonlySet<number>): Promise<JournalRecord[]> {
    const { ledger, log } = this.#options
    const known = ledger.state.sites.get(site)
    const release = this.linked(site)
    const hash = release === null ? null : await this.#manifestHash(site, release)
    if (release !== null && hash !== null) {
      const ref = { release, treeHash: hash }
      if (isLive(ledger.state, site, ref) && !gone.has(release)) return []
      if (await this.stands(site, ref)) return [{ type: 'live', site, ...ref }]
    }
    const live = known?.live ?? null
    if (live === null || gone.has(live.release)) return []
    // The link is gone or cannot be read: the release is held, and the coordinator will have it switched to again.
    log.error({ site, release: live.release }, 'the live release has lost its link')
    const illness = illnessOf(ledger.state, site, live)
    return [
      { type: 'dropped', site, release: live.release },
      { type: 'staged', site, ...live, wasLive: true },
      ...(illness === null ? [] : [{ type: 'judged', site, ...live, ...illness } as const]),
    ]
  }

  async #removeStagings(site: string): Promise<void> {
    const { ledger, log } = this.#options
    const begun = [...ledger.state.begun.values()].filter((each) => each.site === site)
    const staging = begun.filter((each) => !isHeld(ledger.state, site, each)).map(({ release }) => release)
    try {
      await this.#pruneExcept(site, new Set(), new Set(staging))
    } catch (error) {
      // Space is lost, no content: the node serves what it has.
      log.error({ err: toEngineError(error), site }, 'leftovers cannot be removed')
    }
  }

  /** Assignments whose release stands, or that a live one has overtaken: their files serve nobody any more. */
  async #endAssignments(): Promise<void> {
    const { ledger } = this.#options
    for (const { assignmentId, site, ...ref } of ledger.state.begun.values()) {
      const live = ledger.state.sites.get(site)?.live?.release ?? 0
      const isOvertaken = ref.release <= live && illnessOf(ledger.state, site, ref) === null
      if (isHeld(ledger.state, site, ref) || isOvertaken) await ledger.record({ type: 'ended', assignmentId })
    }
  }

  async #removeAssignments(): Promise<void> {
    const { ledger, paths } = this.#options
    for (const name of await this.#disk.namesIn(paths.assignments)) {
      const assignmentId = assignmentOf(name)
      if (assignmentId !== null && !ledger.state.begun.has(assignmentId)) await this.removeFiles(assignmentId)
    }
  }

  async #remove(site: string, releases: readonly number[], inUse: ReadonlySet<number>): Promise<void> {
    const { ledger, log } = this.#options
    const doomed = releases.filter((release) => release !== this.linked(site))
    await this.#pruneExcept(site, new Set(doomed), inUse)
    await ledger.record(...doomed.map((release): JournalRecord => ({ type: 'dropped', site, release })))
    log.info({ site, releases: doomed }, 'releases removed')
  }

  /** Every release on the disk is kept but the doomed ones, so that what nobody knows stays. */
  async #pruneExcept(site: string, doomed: ReadonlySet<number>, staging: ReadonlySet<number>): Promise<void> {
    const { paths } = this.#options
    const names = await this.#disk.namesIn(paths.releases(site))
    const onDisk = names.map(releaseOf).filter((release) => release !== null)
    const keep = onDisk.filter((release) => !doomed.has(release))
    const pinned = [...this.pins.of(site)].filter((release) => !doomed.has(release))
    await this.#disk.prune(paths.site(site), keep, [...staging, ...pinned])
  }
}
