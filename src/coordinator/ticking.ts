import { EngineError, isErrorCode, toEngineError } from '../base/errors.js'
import { PROGRESS_INTERVAL_MS } from '../base/limits.js'
import { PRUNE_EVERY_MS } from '../base/outside-limits.js'
import { SECOND_MS } from '../base/units.js'
import type { SessionStatus } from '../native/relay.js'
import { type RelayFaults, RelayWatch } from '../native/relay-watch.js'
import { nodesOf } from './audience.js'
import { Coursing } from './coursing.js'
import { endIdleJobs } from './idling.js'
import type { LiveJob } from './live-job.js'
import { isUndecided } from './regrouping.js'
import { startJobs } from './running.js'
import { closeIdleTransfers } from './sending.js'
import { steer } from './steering.js'
import { lookAtUploads } from './uploading.js'
import { countFaults, inBackground, type World } from './world.js'

/** Rounds between two looks at every node: what became due (a retry, a report that never came) is done then. */
const ROUNDS_PER_STEER = Math.ceil(SECOND_MS / PROGRESS_INTERVAL_MS)

/** What has to happen although nobody sends a message: progress, silence, retries, figures. */
export class Ticking {
  readonly #world: World
  readonly #coursing: Coursing
  readonly #relayWatch: RelayWatch
  readonly #sentBefore = new Map<number, number>()
  #round = 0
  #prunedAtMs: number

  constructor(world: World) {
    this.#world = world
    this.#coursing = new Coursing(world)
    const { clock, log, transfers } = world
    const tell = (faults: RelayFaults): boolean => countFaults(world, 'coordinator', faults)
    this.#relayWatch = new RelayWatch({ clock, log, tell, isListening: () => transfers.isListening })
    this.#prunedAtMs = world.clock.monotonicMs()
  }

  /** One round; called every PROGRESS_INTERVAL_MS. Never throws. */
  tick(): void {
    const world = this.#world
    this.#round += 1
    try {
      const statuses = world.transfers.poll()
      for (const status of statuses) this.#look(status)
      world.linkWatch.look(statuses)
      this.#relayWatch.look(statuses)
      this.#coursing.look(this.#round % ROUNDS_PER_STEER === 0)
      this.#forgetClosed(statuses)
      for (const job of world.jobs.values()) this.#tell(job)
      if (this.#round % ROUNDS_PER_STEER !== 0) return
      for (const known of world.roster.all) for (const site of world.sites.keys()) steer(world, known, site)
      for (const known of world.roster.all) world.standings.look(known)
      startJobs(world)
      this.#prune()
      closeIdleTransfers(world)
      lookAtUploads(world)
      endIdleJobs(world)
      this.#count()
    } catch (error) {
      world.log.error({ err: toEngineError(error) }, 'a round failed')
    }
  }

  /** Watchers hear what moved; states go to the database; who waits looks at the clock. */
  #tell(job: LiveJob): void {
    if (job.moving) return
    const world = this.#world
    const { jobNodes } = world.store
    if (job.hasUnsaved) inBackground(world, 'saving parts', () => job.saveParts((them) => jobNodes.put(job.id, them)))
    if (job.changed) {
      job.changed = false
      const id = world.watching.nextId(job.id)
      world.watching.tell(job.id, { type: 'progress', id, atMs: world.clock.nowMs(), job: job.view })
    }
    job.bell.ring()
  }

  #look(status: SessionStatus): void {
    const world = this.#world
    const before = this.#sentBefore.get(status.session) ?? 0
    const direction = { direction: 'sent', transport: 'unicast' }
    if (status.bytesSent > before)
      world.metrics.add('engine_transfer_bytes_total', direction, status.bytesSent - before)
    this.#sentBefore.set(status.session, status.bytesSent)
    if (status.failure !== null) this.#failed(status.assignmentId, status.failure)
  }

  #forgetClosed(statuses: readonly SessionStatus[]): void {
    const open = new Set(statuses.map(({ session }) => session))
    for (const session of this.#sentBefore.keys()) if (!open.has(session)) this.#sentBefore.delete(session)
  }

  /** A source that stands still for ever is closed: a job that has not decided ends, else the next node opens it. */
  #failed(assignmentId: string, failure: { readonly code: string; readonly message: string }): void {
    const world = this.#world
    const code = isErrorCode(failure.code) ? failure.code : 'ENGINE_ERR_INTERNAL'
    const error = new EngineError(code, { why: failure.message }, { message: failure.message })
    world.log.error({ err: error, assignmentId }, 'a transfer failed')
    world.transfers.close(assignmentId)
    const nowMs = world.clock.monotonicMs()
    for (const known of world.roster.all) known.failUnderWay(assignmentId, error, nowMs)
    for (const job of world.jobs.values()) {
      if (job.record.assignment?.id === assignmentId && isUndecided(job)) job.controller.abort(error)
    }
  }

  /** Jobs that end prune the database, too; of nodes and webhooks things are written without any job. */
  #prune(): void {
    const { clock, store } = this.#world
    if (clock.monotonicMs() - this.#prunedAtMs < PRUNE_EVERY_MS) return
    this.#prunedAtMs = clock.monotonicMs()
    inBackground(this.#world, 'pruning', async () => void (await store.prune(clock.nowMs())))
  }

  #count(): void {
    const { roster, metrics, jobs, sites } = this.#world
    const nodes = new Map<string, { online: number; offline: number }>()
    for (const { identity, link } of roster.all) {
      const counts = nodes.get(identity.segment) ?? { online: 0, offline: 0 }
      counts[link === null ? 'offline' : 'online'] += 1
      nodes.set(identity.segment, counts)
    }
    for (const [segment, { online, offline }] of nodes) {
      metrics.set('engine_nodes', { segment, state: 'online' }, online)
      metrics.set('engine_nodes', { segment, state: 'offline' }, offline)
    }
    for (const { record } of sites.values()) {
      const group = record.group
      const all = nodesOf(this.#world, record)
      const live = all.filter((known) => known.holdings(record.site).live?.release === record.target?.release)
      const ratio = all.length === 0 || record.target === null ? 1 : live.length / all.length
      metrics.set('engine_up_to_date_ratio', { site: record.site, group }, ratio)
      const queued = [...jobs.values()].filter((job) => job.record.group === group && job.record.state === 'queued')
      metrics.set('engine_jobs_queued', { group }, queued.length)
    }
  }
}
