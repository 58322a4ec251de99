// In: a site of this node, and how fast to read. Out: what differs of a release; the journal's judgement of it.
// Never: a change of a release, a release that is removed while it is read, a judgement of what took its place.
import { stat } from 'node:fs/promises'
import type { Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { FINDING_PATH_CHARS_MAX, MEND_LOOK_MS, MEND_WAIT_MS, VERIFY_FINDINGS_MAX } from '../base/verify-limits.js'
import type { Logger } from '../base/log.js'
import type { ReleaseRef } from '../model/node.js'
import type { Finding, Mending, Verification, VerifyRequest } from '../model/verification.js'
import type { VerifyOptions, VerifyResult } from '../native/verifying.js'
import type { Ledger } from './ledger.js'
import type { NodePaths } from './paths.js'
import type { Releases } from './releases.js'
import type { Stagings } from './stagings.js'
import { illnessOf, type JournalRecord } from './state.js'
import type { Turns } from './turns.js'

/** The native side as verifications use it. */
export interface Reading {
  result(): Promise<VerifyResult>
  cancel(): void
}

export interface VerificationsOptions {
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly releases: Releases
  readonly stagings: Pick<Stagings, 'distrust' | 'inUse'>
  readonly turns: Turns
  readonly clock: Clock
  readonly log: Logger
  readonly read: (options: VerifyOptions) => Reading
  /** Bits per second, where nobody says more. */
  readonly rateBps: number
  readonly onHoldings: () => void
  /** Damage was found, or the link was elsewhere. */
  readonly onDrift: (found: Verification) => void
}

/** What a reading came to, and which directory was read. */
interface Read extends Pick<VerifyResult, 'files' | 'bytes' | 'mismatches'> {
  readonly findings: readonly Finding[]
  readonly place: string | null
}

/** A release that is replaced while it is read is read again so often. */
const READINGS_MAX = 3

/** Reads releases of this node and judges them. */
export class Verifications {
  readonly #options: VerificationsOptions

  constructor(options: VerificationsOptions) {
    this.#options = options
  }

  /**
   * Reads what is live of a site, or the release asked for. Damage is written down, so that nothing builds on it;
   * the other releases of the site, which may share the bad bytes, are read too. With `repair` it waits until a
   * live release was staged anew, and removes another one.
   * @throws {EngineError} ENGINE_ERR_RELEASE_UNKNOWN, ENGINE_ERR_CANCELLED, ENGINE_ERR_CONFLICT when it is replaced
   * again and again, ENGINE_ERR_IO.
   */
  async verify(request: VerifyRequest, signal: AbortSignal): Promise<Verification> {
    const { site, repair } = request
    const rateBps = request.rateBps ?? this.#options.rateBps
    const ref = this.#refOf(request)
    const linkIsRight = this.#isLive(site, ref) ? await this.#checkLink(site, ref) : null
    const read = await this.#judge(site, ref, { rateBps, mend: repair }, signal)
    const { files, bytes, mismatches, findings } = read
    const about = { site, ...ref, files, bytes, mismatches, findings, linkIsRight }
    if (mismatches > 0 || linkIsRight === false) {
      this.#options.onDrift({ ...about, alsoDamaged: [], mended: 'none' })
    }
    const alsoDamaged = await this.judgeSuspects(site, rateBps, signal)
    const mended = repair && mismatches > 0 ? await this.#mended(site, ref, signal) : 'none'
    return { ...about, alsoDamaged, mended }
  }

  /** Reads the releases of a site that damage of another one has put in doubt; gives those that are damaged too. */
  async judgeSuspects(site: string, rateBps: number, signal: AbortSignal): Promise<readonly number[]> {
    const damaged: number[] = []
    for (const { release, treeHash, illness } of this.#heldOf(site)) {
      if (illness?.health !== 'suspect') continue
      const ref = { release, treeHash }
      const { mismatches } = await this.#judge(site, ref, { rateBps, mend: false }, signal)
      if (mismatches > 0) damaged.push(release)
    }
    return damaged
  }

  #heldOf(site: string) {
    return [...(this.#options.ledger.state.sites.get(site)?.held.values() ?? [])]
  }

  #refOf({ site, release }: VerifyRequest): ReleaseRef {
    const known = this.#options.ledger.state.sites.get(site)
    const found = release === null ? known?.live : known?.held.get(release)
    if (found) return { release: found.release, treeHash: found.treeHash }
    const said = release === null ? { message: `nothing of ${site} is live here` } : {}
    throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release }, said)
  }

  #isLive(site: string, { release }: ReleaseRef): boolean {
    return this.#options.ledger.state.sites.get(site)?.live?.release === release
  }

  /** A link that was moved is written down, so that the coordinator has it switched again. */
  async #checkLink(site: string, { release }: ReleaseRef): Promise<boolean> {
    const { releases, turns, onHoldings } = this.#options
    return turns.run(site, async () => {
      if (!this.#isLive(site, { release, treeHash: '' }) || releases.linked(site) === release) return true
      await releases.look(site)
      onHoldings()
      return false
    })
  }

  /** Reads a release and writes down what it came to. */
  async #judge(
    site: string,
    ref: ReleaseRef,
    how: { readonly rateBps: number; readonly mend: boolean },
    signal: AbortSignal,
  ): Promise<Read> {
    const { turns, releases } = this.#options
    const unpin = releases.pins.add(site, ref.release)
    try {
      for (let time = 1; ; time++) {
        const read = await this.#read(site, ref, how.rateBps, signal)
        // Between two orders for the site: what is staged or dropped meanwhile is not judged by what it replaced.
        const isJudged = await turns.run(site, () => this.#record(site, ref, read, how.mend))
        if (isJudged) return read
        if (time >= READINGS_MAX) {
          const why = 'it is replaced again and again'
          throw new EngineError('ENGINE_ERR_CONFLICT', { what: `${site}@${ref.release}`, why })
        }
      }
    } finally {
      unpin()
    }
  }

  async #read(site: string, ref: ReleaseRef, rateBps: number, signal: AbortSignal): Promise<Read> {
    const { paths, read } = this.#options
    if (signal.aborted) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the verification' })
    const directory = paths.release(site, ref.release)
    const treePath = paths.tree(site, ref.release)
    const place = await placeOf(directory)
    const reading = read({ directory, treePath, rateBps, findingsMax: VERIFY_FINDINGS_MAX })
    const onAbort = (): void => reading.cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const result = await reading.result()
      if (result.treeHash !== ref.treeHash) return { ...badManifest('content'), place }
      return { ...result, findings: result.findings.map(clipped), place }
    } catch (caught) {
      const error = toEngineError(caught)
      if (error.code === 'ENGINE_ERR_TREE_CORRUPT') return { ...badManifest('content'), place }
      if (error.code === 'ENGINE_ERR_IO' && (await placeOf(treePath)) === null) {
        return { ...badManifest('missing'), place }
      }
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** @returns false when what was read is not what stands there now. */
  async #record(site: string, ref: ReleaseRef, read: Read, mend: boolean): Promise<boolean> {
    const { ledger, log, paths, stagings, onHoldings } = this.#options
    const { release } = ref
    const isThere = ledger.state.sites.get(site)?.held.get(release)?.treeHash === ref.treeHash
    if (!isThere) throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release })
    if (read.place !== (await placeOf(paths.release(site, release)))) return false
    if (read.mismatches === 0) {
      if (illnessOf(ledger.state, site, ref) === null) return true
      await ledger.record({ type: 'judged', site, ...ref, health: 'sound' })
      onHoldings()
      return true
    }
    const { mismatches, findings } = read
    log.error({ site, release, mismatches, findings: findings.slice(0, 10) }, 'a release is damaged')
    await ledger.record({ type: 'judged', site, ...ref, health: 'damaged', mend }, ...this.#suspicions(site, release))
    stagings.distrust(site, release)
    onHoldings()
    return true
  }

  #suspicions(site: string, release: number): JournalRecord[] {
    const others = this.#heldOf(site).filter((held) => held.release !== release && held.illness === undefined)
    return others.map(({ release: other, treeHash }) => {
      return { type: 'judged', site, release: other, treeHash, health: 'suspect' }
    })
  }

  /** Waits until a good copy stands in place of the damaged one; one that is not live goes, it is sent when wanted. */
  async #mended(site: string, ref: ReleaseRef, signal: AbortSignal): Promise<Mending> {
    const { clock, ledger, log } = this.#options
    const endMs = clock.monotonicMs() + MEND_WAIT_MS
    while (illnessOf(ledger.state, site, ref) !== null) {
      if (!this.#isLive(site, ref)) return this.#remove(site, ref)
      if (clock.monotonicMs() > endMs) {
        log.warn({ site, release: ref.release }, 'no good copy has come yet')
        return 'none'
      }
      await clock.sleep(MEND_LOOK_MS, signal)
    }
    return 'restaged'
  }

  async #remove(site: string, ref: ReleaseRef): Promise<Mending> {
    const { ledger, releases, stagings, turns, onHoldings } = this.#options
    return turns.run(site, async () => {
      if (this.#isLive(site, ref)) return 'none'
      // A good copy may have come while this waited for its turn.
      if (illnessOf(ledger.state, site, ref) === null) return 'restaged'
      await releases.drop(site, ref.release, stagings.inUse(site))
      onHoldings()
      return 'removed'
    })
  }
}

function clipped({ path, kind }: Finding): Finding {
  const isLong = path.length > FINDING_PATH_CHARS_MAX
  return { path: isLong ? `${path.slice(0, FINDING_PATH_CHARS_MAX - 1)}…` : path, kind }
}

function badManifest(kind: 'content' | 'missing'): Omit<Read, 'place'> {
  return { files: 0, bytes: 0, mismatches: 1, findings: [{ path: '(manifest)', kind }] }
}

/** Tells one directory from another that took its name; null: nothing is there. */
async function placeOf(path: string): Promise<string | null> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino, birthtimeNs }) => `${dev}:${ino}:${birthtimeNs}`,
    () => null,
  )
}
