import { assert } from '../base/assert.js'
import { EngineError } from '../base/errors.js'
import { NODE_STALLED_MS, STAGING_STALLED_MS } from '../base/limits.js'
import { formatDuration } from '../base/quantities.js'
import { judgeQuorum, quorumError } from '../jobs/quorum.js'
import type { AssignmentRecord } from '../store/assignments.js'
import { markBehind, type NodePart, settled } from '../track/fold.js'
import { holds } from '../track/reconcile.js'
import type { Transfer } from '../transfer/index.js'
import { absenceOf, nodesOf } from './audience.js'
import { disown } from './disowning.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import { requireSomebody } from './regrouping.js'
import { openTransfer, waitsForTurn } from './sending.js'
import { nextFor, steerSite } from './steering.js'
import type { World } from './world.js'

/** Opens the transfer of a job's assignment and has its nodes told. */
export function openForJob(
  world: World,
  job: LiveJob,
  record: AssignmentRecord,
  { whole }: { readonly whole: boolean },
): Transfer {
  job.assignment = record
  job.waitingSinceMs = world.clock.monotonicMs()
  const nodes = nodesOf(world, job.record).filter((known) => takesPart(job, known))
  const transfer = openTransfer(world, record, { way: job.record.policy, nodes, whole })
  steerSite(world, job.record.site)
  return transfer
}

/** Who is there, or was when the coordinator was killed, and holds what the assignment builds on. */
function takesPart(job: LiveJob, known: KnownNode): boolean {
  const part = job.part(known.identity.id)
  if (part === undefined || (known.link === null && (part.state === 'new' || part.state === 'behind'))) return false
  const { baseRelease, site } = job.record
  if (baseRelease === null) return true
  return holds(known.holdings(site), { release: baseRelease, treeHash: job.baseTreeHash ?? '' })
}

/**
 * Stages the job's release on the shadow, from the stream as it grows or from the whole file.
 * The shadow holds it, on record, when this settles.
 */
export async function stageShadow(
  world: World,
  job: LiveJob,
  transfer: Transfer | null,
  signal: AbortSignal,
): Promise<void> {
  const { release, assignment } = job
  assert(release !== null && assignment !== null, 'a job is packed before it is staged', { jobId: job.id })
  const { site, baseRelease } = job.record
  const following = transfer === null ? {} : { following: { relay: transfer.relay, session: transfer.session } }
  const { id: assignmentId, serial } = assignment
  try {
    await world.content.shadow.stage({ site, release, baseRelease, assignmentId, serial, ...following }, signal)
  } catch (error) {
    const isDamaged = error instanceof EngineError && error.code === 'ENGINE_ERR_SHADOW_DAMAGED'
    if (isDamaged && baseRelease !== null) await disown(world, site, baseRelease)
    throw error
  }
  await world.store.releases.setHeld(site, release.release, true)
  job.shadowStaged = true
  steerSite(world, site)
}

/**
 * Waits until the job's nodes are ready to switch.
 * @throws {EngineError} ENGINE_ERR_QUORUM when too few are ready, ENGINE_ERR_GROUP_EMPTY when all have departed; the
 * signal's reason when it is stopped.
 */
export async function enoughReady(world: World, job: LiveJob): Promise<void> {
  for (;;) {
    job.signal.throwIfAborted()
    requireSomebody(job)
    giveUpSilent(world, job, job.parts)
    const states = job.parts.map((part) => part.state)
    const count = judgeQuorum(states, job.record.policy.quorum)
    if (count.verdict === 'reached') return
    if (count.verdict === 'missed') throw quorumError(count)
    await job.bell.wait(job.signal)
  }
}

/** Stops waiting for nodes that do not answer, or that get nowhere although all of it could be sent. */
export function giveUpSilent(world: World, job: LiveJob, parts: readonly NodePart[]): void {
  const nowMs = world.clock.monotonicMs()
  for (const part of parts) {
    if (settled.has(part.state)) continue
    const reason = silenceOfPart(world, job, part) ?? stallOfPart(world, job, part, nowMs)
    if (reason !== null) job.setPart(markBehind(part, reason), nowMs)
  }
}

function silenceOfPart(world: World, job: LiveJob, part: NodePart): string | null {
  // What is staged is durable: before the decision a node that holds the release may be away.
  if (part.state === 'staged' && job.record.state !== 'committing') return null
  return absenceOf(world, part.nodeId)
}

function stallOfPart(world: World, job: LiveJob, part: NodePart, nowMs: number): string | null {
  const quietMs = nowMs - job.movedAtMs(part.nodeId)
  const limitMs = part.state === 'received' ? STAGING_STALLED_MS : NODE_STALLED_MS
  if (quietMs <= limitMs || isPaused(job, part) || isStillPacked(world, job, part)) return null
  if (waitsForTurn(world, job, part.nodeId)) return null
  const quiet = formatDuration(quietMs)
  switch (part.state) {
    case 'new':
      return `nothing could be sent to it for ${quiet}`
    case 'receiving':
      return `it has received nothing for ${quiet}`
    case 'received':
      return `it has all of it, but has staged nothing for ${quiet}`
    case 'staged':
      return job.record.state === 'committing' ? `it has not answered the commit for ${quiet}` : null
    default:
      return null
  }
}

/** What a node waits for is not sent, as somebody wished. */
const isPaused = ({ record }: LiveJob, { state }: NodePart): boolean =>
  record.paused === true && (state === 'new' || state === 'receiving')

/** What a node waits for is not there to be sent: the job's own assignment, or a whole copy for it. */
function isStillPacked(world: World, job: LiveJob, part: NodePart): boolean {
  if (job.assignment !== null && job.assignment.packed === null) return true
  const known = world.roster.get(part.nodeId)
  if (known === undefined) return false
  const { site } = job.record
  const next = nextFor(world, known, site)
  return next?.action.do === 'replicate' && world.wholes.isPacking(site, next.goal.release)
}
