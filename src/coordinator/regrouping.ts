import { EngineError } from '../base/errors.js'
import { isFinal } from '../jobs/job.js'
import type { AccountEvent } from '../model/account.js'
import type { News } from '../model/fleet-event.js'
import { markDeparted, markReturned, newPart } from '../track/fold.js'
import { isAmong } from './audience.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** Why a node counts in a job no longer. */
export const DEPARTED = 'it does not serve the site any more'

/** That a node takes part in a job from now on, or no longer, as it goes on record. */
export interface Regrouped {
  readonly event: AccountEvent
  readonly news: News | null
}

/**
 * Nobody waits any longer for a node in jobs that it is not among the nodes of: it came back with other groups or with
 * another name.
 * @returns those jobs.
 */
export function leaveJobs(world: World, known: KnownNode): readonly LiveJob[] {
  return [...world.jobs.values()].filter((job) => leaveJob(world, job, known))
}

/** Takes note of those that left a job and whose part in it was not written any more. */
export async function takeUpLeavers(world: World, job: LiveJob): Promise<void> {
  for (const { nodeId } of job.parts) {
    const known = world.roster.get(nodeId)
    if (known !== undefined) leaveJob(world, job, known)
  }
  await tellRegrouped(world, job)
}

/** A node departs from a job that it is not among the nodes of. @returns whether it did just now. */
function leaveJob(world: World, job: LiveJob, known: KnownNode): boolean {
  const { id, name } = known.identity
  const part = job.part(id)
  const { state, site, release } = job.record
  if (part === undefined || part.state === 'departed' || isFinal(state) || isAmong(job.record, known)) return false
  job.setPart(markDeparted(part, DEPARTED), world.clock.monotonicMs())
  job.effects?.parts.delete(id)
  const atMs = world.clock.nowMs()
  const data = { nodeId: id, name, groups: known.identity.groups, site, release, jobId: job.id }
  const news = { type: 'engine.node.departed', subject: `nodes/${name}`, site, atMs, data } as const
  job.regrouped.push({ event: { atMs, kind: 'departed', node: part.name, reason: DEPARTED, rung: null }, news })
  world.log.warn({ jobId: job.id, node: name, was: part.state }, 'a node has departed from a job')
  return true
}

/** Gives a node its part in jobs without an end: as one that was away, or as one that joins, however far they are. */
export function joinJobs(world: World, known: KnownNode): void {
  for (const job of world.jobs.values()) {
    const { state } = job.record
    if (!isAmong(job.record, known) || isFinal(state)) continue
    const part = job.part(known.identity.id)
    const nowMs = world.clock.monotonicMs()
    if (part !== undefined && part.state !== 'departed') job.setPart(markReturned(part), nowMs)
    else joinJob(world, job, known)
  }
}

function joinJob(world: World, job: LiveJob, known: KnownNode): void {
  const { id, name } = known.identity
  const nowMs = world.clock.monotonicMs()
  job.setPart(newPart(known.identity), nowMs)
  // Unless it is a check of some of them, all carry it out.
  const isOfAll = job.commands.some(({ number }) => number === job.effects?.number)
  if (isOfAll) job.effects?.parts.set(id, { state: 'new', isAway: false, reason: null, sinceMs: nowMs, told: null })
  if (job.record.state === 'queued') return
  const reason = `it takes part from now on; the job is ${job.record.state}`
  job.regrouped.push({
    event: { atMs: world.clock.nowMs(), kind: 'joined', node: name, reason, rung: null },
    news: null,
  })
}

/** Whether a job may make a release live that it has not decided on. Pure. */
export const isUndecided = ({ record: { state } }: LiveJob): boolean =>
  state === 'packing' || state === 'distributing' || state === 'staged'

/**
 * Has a node drop what it has of releases that jobs it departed from may still make live.
 * @param before  jobs that were so when it departed: without it they may have decided in the next instant.
 */
export function dropUndecided(world: World, known: KnownNode, before: readonly LiveJob[]): void {
  for (const job of new Set([...before, ...[...world.jobs.values()].filter(isUndecided)])) {
    const { site, release } = job.record
    if (job.part(known.identity.id)?.state !== 'departed') continue
    if (job.assignment === null || release === null || known.holdings(site).live?.release === release) continue
    known.link?.send({ type: 'discard', assignmentId: job.assignment.id, site, release })
  }
}

/** Puts on record who has joined a job or departed, with their parts in it. */
export async function tellRegrouped(world: World, job: LiveJob): Promise<void> {
  const told = job.regrouped.splice(0)
  if (told.length === 0) return
  try {
    await job.saveParts((parts) =>
      world.store.transaction(async (tables) => {
        await tables.jobNodes.put(job.id, parts)
        await tables.accounts.add(
          job.id,
          told.map(({ event }) => event),
        )
        for (const { news } of told) if (news !== null) await world.announcing.announce(tables, news)
      }),
    )
  } catch (error) {
    job.regrouped.unshift(...told)
    throw error
  }
  world.announcing.ring()
}

/** All that it was for have departed. Pure. */
export const isDeserted = (job: LiveJob): boolean => job.parts.length > 0 && job.remaining.length === 0

/** @throws {EngineError} ENGINE_ERR_GROUP_EMPTY when all that it was for have departed. */
export function requireSomebody(job: LiveJob): void {
  if (isDeserted(job)) throw deserted(job)
}

export function deserted({ id, record: { group, site } }: LiveJob): EngineError {
  const message = `no node of job ${id} serves ${site} any more`
  return new EngineError('ENGINE_ERR_GROUP_EMPTY', { group }, { message })
}
