import { type EngineError, toEngineError } from '../base/errors.js'
import { REPLICATE_ATTEMPTS_MAX, RETRY_FIRST_MS, RETRY_MS_MAX } from '../base/limits.js'
import type { ReleaseRef } from '../model/node.js'
import { isSame } from '../track/reconcile.js'
import { disown } from './disowning.js'
import { goalOf, nextFor, note, steerSite } from './steering.js'
import type { Wholes } from './wholes.js'
import { activeJob, inBackground, isStopping, refreshSite, type World } from './world.js'

interface Attempt {
  readonly site: string
  readonly release: ReleaseRef
  running: boolean
  count: number
  retryAtMs: number
  /** Why the last one failed. */
  error: EngineError | null
}

/**
 * Packs whole releases of the shadow when they are asked for. A failure is tried again a few times; then
 * who asks is told why it gets none, and it is tried now and then.
 */
export class WholePacking implements Wholes {
  readonly #world: () => World
  readonly #attempts = new Map<string, Attempt>()

  /** @param world the world that this is a part of. */
  constructor(world: () => World) {
    this.#world = world
  }

  ask(site: string, release: ReleaseRef, jobId: string): void {
    const world = this.#world()
    this.#forgetPast()
    const key = keyOf(site, release)
    const fresh: Attempt = { site, release, running: false, count: 0, retryAtMs: 0, error: null }
    const attempt = this.#attempts.get(key) ?? fresh
    if (attempt.running) return
    if (world.clock.monotonicMs() < attempt.retryAtMs) {
      if (attempt.error !== null && isGivenUp(attempt)) failNodes(world, site, attempt.error)
      return
    }
    this.#attempts.set(key, attempt)
    attempt.running = true
    inBackground(world, 'packing a whole release', async () => {
      try {
        await packWhole(world, site, release, jobId)
        await refreshSite(world, site)
        this.#attempts.delete(key)
      } catch (caught) {
        const error = toEngineError(caught)
        this.#failed(attempt, site, error)
        // A job that builds on it just now is let be; the next attempt comes to this again.
        const isUsed = activeJob(world, site)?.record.state === 'packing'
        if (error.code === 'ENGINE_ERR_SHADOW_DAMAGED' && !isUsed) await disown(world, site, release.release)
      } finally {
        attempt.running = false
      }
      steerSite(world, site)
    })
  }

  isPacking(site: string, release: ReleaseRef): boolean {
    const attempt = this.#attempts.get(keyOf(site, release))
    return attempt !== undefined && (attempt.running || !isGivenUp(attempt))
  }

  /** Attempts at releases that no node is to be brought to any more. */
  #forgetPast(): void {
    const world = this.#world()
    for (const [key, { site, release, running }] of this.#attempts) {
      const goal = goalOf(world, site)?.release ?? null
      if (!running && !isSame(goal, release)) this.#attempts.delete(key)
    }
  }

  #failed(attempt: Attempt, site: string, error: EngineError): void {
    const world = this.#world()
    if (isStopping(world, error)) return
    attempt.count = error.retryable ? attempt.count + 1 : REPLICATE_ATTEMPTS_MAX
    // The first of a kind says most: once a damaged release is disowned, only that is told of it.
    if (attempt.error?.code !== error.code) attempt.error = error
    const givenUp = isGivenUp(attempt)
    const waitMs = givenUp ? RETRY_MS_MAX : Math.min(RETRY_FIRST_MS * 2 ** attempt.count, RETRY_MS_MAX)
    attempt.retryAtMs = world.clock.monotonicMs() + waitMs
    world.log.error({ err: error, site, givenUp }, 'a whole release cannot be packed')
    if (givenUp) failNodes(world, site, attempt.error ?? error)
  }
}

const keyOf = (site: string, { release, treeHash }: ReleaseRef): string => `${site}@${release}.${treeHash}`

const isGivenUp = ({ count }: Attempt): boolean => count >= REPLICATE_ATTEMPTS_MAX

/** Packs a release of the shadow as an assignment that needs no base. Durable when it settles. */
async function packWhole(world: World, site: string, release: ReleaseRef, jobId: string): Promise<void> {
  const serial = await world.store.meta.nextSerial()
  const createdAtMs = world.clock.nowMs()
  const order = {
    source: 'shadow',
    site,
    release: release.release,
    baseRelease: null,
    serial,
    chunkBytes: 0,
  } as const
  const packed = await world.content.pack({ ...order, nowMs: createdAtMs }, { signal: world.closing })
  const { assignmentId: id, chunkBytes, chunkCount, streamBytes, contentBytes, dataDigest } = packed
  await world.store.assignments.create({
    id,
    serial,
    command: 'replicate',
    site,
    release: release.release,
    baseRelease: null,
    treeHash: release.treeHash,
    jobId,
    chunkBytes,
    packed: { chunkCount, streamBytes, contentBytes, dataDigest },
    createdAtMs,
  })
  world.log.info({ site, release: release.release, assignmentId: id, streamBytes }, 'whole release packed')
}

/**
 * Nodes that wait for a whole copy which will not come soon are told apart from those that are at work.
 * They ask again, later each time.
 */
function failNodes(world: World, site: string, error: EngineError): void {
  for (const known of world.roster.all) {
    const next = nextFor(world, known, site)
    if (next?.action.do !== 'replicate') continue
    const report = error.toReport()
    known.task(site).fail(next.goal.release, report, true, world.clock.monotonicMs())
    note(world, next.goal, known, { type: 'failed', command: 'publish', error: report })
  }
}
