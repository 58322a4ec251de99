import { type EngineError, toEngineError } from '../base/errors.js'
import { REPLICATE_ATTEMPTS_MAX, RETRY_FIRST_MS, RETRY_MS_MAX } from '../base/limits.js'
import type { ReleaseRef } from '../model/node.js'
import { nextFor, note, steerSite } from './steering.js'
import type { Wholes } from './wholes.js'
import { inBackground, isStopping, refreshSite, type World } from './world.js'

interface Attempt {
  running: boolean
  count: number
  retryAtMs: number
}

/** Packs whole releases of the shadow when they are asked for; a failure is tried again a few times only. */
export class WholePacking implements Wholes {
  readonly #world: () => World
  readonly #attempts = new Map<string, Attempt>()

  /** @param world the world that this is a part of. */
  constructor(world: () => World) {
    this.#world = world
  }

  ask(site: string, release: ReleaseRef, jobId: string): void {
    const world = this.#world()
    const key = `${site}@${release.release}.${release.treeHash}`
    const attempt = this.#attempts.get(key) ?? { running: false, count: 0, retryAtMs: 0 }
    const now = world.clock.monotonicMs()
    if (attempt.running || attempt.count >= REPLICATE_ATTEMPTS_MAX || now < attempt.retryAtMs) return
    this.#attempts.set(key, attempt)
    attempt.running = true
    inBackground(world, 'packing a whole release', async () => {
      try {
        await packWhole(world, site, release, jobId)
        this.#attempts.delete(key)
        await refreshSite(world, site)
      } catch (caught) {
        this.#failed(attempt, site, toEngineError(caught))
      } finally {
        attempt.running = false
      }
      steerSite(world, site)
    })
  }

  #failed(attempt: Attempt, site: string, error: EngineError): void {
    const world = this.#world()
    if (isStopping(world, error)) return
    attempt.count = error.retryable ? attempt.count + 1 : REPLICATE_ATTEMPTS_MAX
    const waitMs = Math.min(RETRY_FIRST_MS * 2 ** attempt.count, RETRY_MS_MAX)
    attempt.retryAtMs = world.clock.monotonicMs() + waitMs
    const givenUp = attempt.count >= REPLICATE_ATTEMPTS_MAX
    world.log.error({ err: error, site, givenUp }, 'a whole release cannot be packed')
    if (givenUp) failNodes(world, site, error)
  }
}

/** Packs a release of the shadow as an assignment that needs no base. Durable when it settles. */
async function packWhole(world: World, site: string, release: ReleaseRef, jobId: string): Promise<void> {
  const serial = await world.store.meta.nextSerial()
  const createdAtMs = world.clock.nowMs()
  const order = { source: 'shadow', site, release: release.release, baseRelease: null, serial } as const
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

/** Nodes that wait for a whole copy which will not come are told apart from those that are at work. */
function failNodes(world: World, site: string, error: EngineError): void {
  for (const known of world.roster.all) {
    const next = nextFor(world, known, site)
    if (next?.action.do !== 'replicate') continue
    const report = error.toReport()
    known.task(site).fail(next.goal.release, report, false, world.clock.monotonicMs())
    note(world, next.goal, known, { type: 'failed', command: 'publish', error: report })
  }
}
