import { assert } from '../base/assert.js'
import { EngineError, isErrorCode } from '../base/errors.js'
import { JOB_COMMANDS_MAX, NODE_STALLED_MS } from '../base/limits.js'
import { formatDuration, formatNames } from '../base/quantities.js'
import { checkEveryMs, chooseCanaries, impossible } from '../jobs/canary.js'
import { checkHold } from '../jobs/hold.js'
import { requireHook } from '../jobs/hooks.js'
import type { AccountEvent } from '../model/account.js'
import type { Canary, CanaryPolicy } from '../model/canary.js'
import { HEALTH_HOOK } from '../model/hook.js'
import type { JobCommand, JobError, JobRequest } from '../model/job.js'
import type { ReleaseRef } from '../model/node.js'
import { markBehind, markSwitchedBack } from '../track/fold.js'
import { isSame } from '../track/reconcile.js'
import { ownersOf } from './accepting.js'
import { absenceOf, type Audience, nodesOf } from './audience.js'
import { executeOn } from './executing.js'
import type { LiveJob } from './live-job.js'
import { DEPARTED } from './regrouping.js'
import type { KnownNode } from './roster.js'
import { steerSite } from './steering.js'
import { advance, type World } from './world.js'

/**
 * Whether a job may have the canaries that it asks for, as far as that is known before it begins.
 * @throws {EngineError} ENGINE_ERR_CANARY_IMPOSSIBLE, ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_HOOK_UNKNOWN.
 */
export function checkCanary(world: World, { site, policy }: JobRequest, audience: Audience): void {
  const { canary } = policy
  if (canary === undefined) return
  const isFirst = (world.sites.get(site)?.record.target ?? null) === null
  const isAlone = [...world.jobs.values()].every((job) => job.record.site !== site)
  if (isFirst && isAlone) throw impossible(site, nothingLive)
  const nodes = nodesOf(world, audience)
  for (const node of canary.nodes ?? []) {
    if (!nodes.some(({ identity }) => identity.name === node))
      throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node })
  }
  if (nodes.length === 1) throw impossible(site, 'one node serves it, and none would be left')
  const { health = HEALTH_HOOK } = canary
  requireHook({ hook: health, site, args: {} }, ownersOf(nodes))
}

const nothingLive = 'nothing is live yet that they could switch back to'

/**
 * Has some nodes serve a job's release and looks after them for a time, before the decision that all do.
 * @throws {EngineError} ENGINE_ERR_CANARY_FAILED, ENGINE_ERR_CANARY_IMPOSSIBLE, ENGINE_ERR_SITE_HELD; the signal's
 * reason when it is stopped. Those that have switched are taken back when the job ends with it.
 */
export async function bake(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  const { policy, site } = job.record
  const target = world.sites.get(site)?.record.target ?? null
  if (policy.canary === undefined || (job.release !== null && isSame(target, job.release))) return
  if (target === null) throw impossible(site, nothingLive)
  const isResumed = (job.record.canary ?? null) !== null
  if (!isResumed) await begin(world, job, command, policy.canary)
  if (job.record.canary?.revoked) throw errorOf(job.record.canary.revoked)
  await new Bake(world, job, { policy: policy.canary, isResumed }).run()
}

/** On record before any of them is told: whatever happens, it is known who may serve the new release. */
async function begin(world: World, job: LiveJob, { number }: JobCommand, policy: CanaryPolicy): Promise<void> {
  const { site } = job.record
  const decidedAtMs = world.clock.nowMs()
  const held = job.parts.filter(({ state }) => state === 'staged' || state === 'live')
  const chosen = chooseCanaries(
    policy,
    held.map(({ nodeId, name }) => ({ nodeId, name, isOnline: (world.roster.get(nodeId)?.link ?? null) !== null })),
    site,
  )
  const names = chosen.map(({ name }) => name)
  const nodeIds = chosen.map(({ nodeId }) => nodeId)
  const canary: Canary = { nodeIds, names, number, decidedAtMs, untilMs: null, revoked: null }
  const reason = `${formatNames(names)} of ${held.length} nodes switch first, for ${formatDuration(policy.bakeMs)}`
  await note(world, job, canary, [eventOf(world, 'canary', null, reason)], number)
}

/** Writes what is known of a job's canaries, with the lines that tell of it. */
async function note(
  world: World,
  job: LiveJob,
  canary: Canary,
  words: readonly AccountEvent[],
  begun?: number,
): Promise<void> {
  const { site } = job.record
  const nowMs = world.clock.nowMs()
  const started = begun === undefined ? [] : [{ number: begun, state: 'in-progress', startedAtMs: nowMs } as const]
  await advance(
    world,
    job,
    { type: 'baking', canary },
    {
      commands: started,
      async write(tables) {
        if (begun !== undefined) checkHold(site, (await tables.sites.require(site)).hold, nowMs)
        await tables.accounts.add(job.id, words)
      },
    },
  )
  for (const { kind, node, reason } of words) world.log.info({ jobId: job.id, kind, node, reason }, 'canaries of a job')
}

const eventOf = (world: World, kind: AccountEvent['kind'], node: string | null, reason: string): AccountEvent => ({
  ...{ atMs: world.clock.nowMs(), kind, node, reason, rung: null },
})

function errorOf({ code, message, hint }: JobError): EngineError {
  return new EngineError(isErrorCode(code) ? code : 'ENGINE_ERR_INTERNAL', {}, { message, hint })
}

/** One job's canaries, from their switch to the end of their time. */
class Bake {
  readonly #world: World
  readonly #job: LiveJob
  readonly #policy: CanaryPolicy
  /** The next check's: of no command that the job has or may be given. */
  #number: number | null = null
  readonly #isResumed: boolean

  constructor(world: World, job: LiveJob, of: { readonly policy: CanaryPolicy; readonly isResumed: boolean }) {
    this.#world = world
    this.#job = job
    this.#policy = of.policy
    this.#isResumed = of.isResumed
  }

  async run(): Promise<void> {
    const [world, job] = [this.#world, this.#job]
    const { site } = job.record
    job.waitingSinceMs = world.clock.monotonicMs()
    if (this.#isResumed) await this.#tell('resumed', null, 'the coordinator goes on with its canaries')
    steerSite(world, site)
    while (!this.#nodes.every((known) => isSame(known.holdings(site).live, this.#release))) await this.#look()
    const untilMs = this.#canary.untilMs ?? (await this.#begin())
    const { bakeMs } = this.#policy
    // What is left of it by the wall clock, once; then by the clock that does not jump.
    const endMs = world.clock.monotonicMs() + Math.min(bakeMs, untilMs - world.clock.nowMs())
    for (;;) {
      await this.#check()
      const leftMs = endMs - world.clock.monotonicMs()
      if (leftMs <= 0) break
      await this.#watch(Math.min(checkEveryMs(bakeMs), leftMs))
    }
    await this.#tell('promoted', null, 'its canaries stayed healthy: all nodes switch')
  }

  get #canary(): Canary {
    const { canary = null } = this.#job.record
    assert(canary !== null, 'a job that bakes has canaries', { jobId: this.#job.id })
    return canary
  }

  get #release(): ReleaseRef {
    const { release } = this.#job
    assert(release !== null, 'a job is numbered before it bakes', { jobId: this.#job.id })
    return release
  }

  get #nodes(): readonly KnownNode[] {
    return remainingCanaries(this.#world, this.#job, this.#canary)
  }

  /** All of them are live: from now on their time counts. */
  async #begin(): Promise<number> {
    const world = this.#world
    const untilMs = world.clock.nowMs() + this.#policy.bakeMs
    const reason = `all canaries are live; the others switch at ${new Date(untilMs).toISOString()}`
    await note(world, this.#job, { ...this.#canary, untilMs }, [eventOf(world, 'canary', null, reason)])
    return untilMs
  }

  async #watch(forMs: number): Promise<void> {
    const { clock } = this.#world
    const untilMs = clock.monotonicMs() + forMs
    while (clock.monotonicMs() < untilMs) await this.#look()
  }

  /** Waits until something happened, and looks whether all of them are still there. */
  async #look(): Promise<void> {
    this.#requireThere()
    await this.#job.bell.wait(this.#job.signal)
  }

  #requireThere(): void {
    const [world, job] = [this.#world, this.#job]
    const nowMs = world.clock.monotonicMs()
    if (this.#nodes.length === 0) throw this.#failed(formatNames(this.#canary.names), DEPARTED)
    for (const known of this.#nodes) {
      const { id, name } = known.identity
      const part = job.part(id)
      if (part?.state === 'failed') throw this.#failed(name, part.reason ?? 'it could not switch')
      const absence = absenceOf(world, id)
      if (absence !== null) throw this.#failed(name, absence)
      const isLive = isSame(known.holdings(job.record.site).live, this.#release)
      const quietMs = nowMs - job.movedAtMs(id)
      if (!isLive && quietMs > NODE_STALLED_MS)
        throw this.#failed(name, `it has not switched for ${formatDuration(quietMs)}`)
    }
  }

  async #check(): Promise<void> {
    const [job, canary] = [this.#job, this.#canary]
    const { health: hook = HEALTH_HOOK } = this.#policy
    const number = await this.#nextNumber()
    const request = { type: 'run-hook', hook, args: {} } as const
    const nodeIds = this.#nodes.map(({ identity }) => identity.id)
    const parts = await executeOn(this.#world, job, { number, after: null, request, nodeIds })
    for (const [nodeId, { state, isAway, reason }] of parts) {
      if (state === 'completed') continue
      const why = reason ?? (isAway ? 'it does not answer' : 'it gave no reason')
      throw this.#failed(job.part(nodeId)?.name ?? nodeId, why)
    }
    this.#requireThere()
    await this.#tell('checked', null, `${formatNames(canary.names)}: ${hook} is well`)
  }

  /** After a restart one is left out: what the last life asked for under it is no answer to this one. */
  async #nextNumber(): Promise<number> {
    if (this.#number === null) {
      const last = Math.max(JOB_COMMANDS_MAX, await this.#world.store.receipts.lastNumber(this.#job.id))
      this.#number = this.#isResumed ? last + 1 : last
    }
    this.#number += 1
    return this.#number
  }

  async #tell(kind: AccountEvent['kind'], node: string | null, reason: string): Promise<void> {
    const event = eventOf(this.#world, kind, node, reason)
    await this.#world.store.transaction((tables) => tables.accounts.add(this.#job.id, [event]))
  }

  #failed(node: string, why: string): EngineError {
    const { id, record } = this.#job
    const facts = { jobId: id, node, site: record.site, release: record.release, why }
    return new EngineError('ENGINE_ERR_CANARY_FAILED', facts)
  }
}

/**
 * Has a job's canaries switch back to what the site serves, and waits for those that answer. That they must is on
 * record first: who is away does it when it returns, also after a restart.
 */
export async function takeBack(world: World, job: LiveJob, error: EngineError): Promise<void> {
  const { canary = null, site, state } = job.record
  if (canary === null || state !== 'staged') return
  if (canary.revoked === null) {
    const words = [eventOf(world, 'revoked', null, error.message)]
    await note(world, job, { ...canary, revoked: error.toReport() }, words)
  }
  steerSite(world, site)
  const sinceMs = world.clock.monotonicMs()
  const target = world.sites.get(site)?.record.target ?? null
  const nodes = remainingCanaries(world, job, canary)
  while (
    nodes.some(
      (known) =>
        job.part(known.identity.id)?.state !== 'departed' && isAwaited(world, known, { site, target, sinceMs }),
    )
  )
    await job.bell.wait(world.closing)
  for (const known of nodes) settlePart(world, job, known, isBack(known, site, target))
}

/** Who left the group keeps what it serves: nothing of the site is asked of it any more. */
const remainingCanaries = (world: World, job: LiveJob, { nodeIds }: Canary): readonly KnownNode[] =>
  nodeIds.filter((nodeId) => job.part(nodeId)?.state !== 'departed').flatMap((nodeId) => world.roster.get(nodeId) ?? [])

interface GoingBack {
  readonly site: string
  readonly target: ReleaseRef | null
  readonly sinceMs: number
}

/** What it was told last is to serve the target, and it does. */
function isBack(known: KnownNode, site: string, target: ReleaseRef | null): boolean {
  const { live } = known.holdings(site)
  return known.link !== null && target !== null && isSame(live, target) && known.task(site).underWay?.kind !== 'commit'
}

function isAwaited(world: World, known: KnownNode, { site, target, sinceMs }: GoingBack): boolean {
  if (isBack(known, site, target) || world.clock.monotonicMs() - sinceMs > NODE_STALLED_MS) return false
  return absenceOf(world, known.identity.id) === null
}

function settlePart(world: World, job: LiveJob, known: KnownNode, isThere: boolean): void {
  const part = job.part(known.identity.id)
  if (part === undefined) return
  const why = 'it may still serve the release as a canary, and switches back when it returns'
  job.setPart(isThere ? markSwitchedBack(part) : markBehind(part, why), world.clock.monotonicMs())
}

/** Whether a node is, or may be, one that serves a job's release before all others do. */
export const wasCanary = (job: LiveJob, known: KnownNode): boolean =>
  job.record.canary?.nodeIds.includes(known.identity.id) ?? false
