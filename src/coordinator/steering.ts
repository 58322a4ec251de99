import { toEngineError } from '../base/errors.js'
import { REPORT_GRACE_MS } from '../base/limits.js'
import type { NodePart, PartEvent } from '../track/fold.js'
import { foldPart, markAnew } from '../track/fold.js'
import { isSame, type ReconcileAction, reconcile } from '../track/reconcile.js'
import type { ReleaseRef } from '../model/node.js'
import { isWaiting } from '../model/plan.js'
import type { Transfer } from '../transfer/index.js'
import { nodesOf, serves } from './audience.js'
import { executeOf, isEffect, orderEffect } from './executing.js'
import type { LiveJob } from './live-job.js'
import { paceAt } from './pausing.js'
import type { KnownNode } from './roster.js'
import { openTransfer, partToWire, tellPlans, toTransferNode, wayOf } from './sending.js'
import { activeJob, type SendableAssignment, type SiteState, type World } from './world.js'

/** What a site's nodes are to be brought to, and why. */
interface Goal {
  readonly release: ReleaseRef
  readonly jobId: string
  /** Of the command that has it staged, and of the one that makes it live. */
  readonly stageNumber: number
  readonly number: number
  readonly command: 'commit' | 'rollback'
  readonly switchNow: boolean
  readonly assignments: readonly SendableAssignment[]
  /** The shadow holds it: it can be packed whole. */
  readonly canReplicate: boolean
}

/**
 * A job that has something to stage is what its site's nodes are brought to; else what the site
 * should serve.
 * @param nodeId  the node that is meant; null: any that is no canary of that job.
 */
export function goalOf(world: World, site: string, nodeId: string | null = null): Goal | null {
  const state = world.sites.get(site)
  if (state === undefined) return null
  const job = activeJob(world, site)
  if (job?.release && isBefore(job, state.record.target)) {
    const own = ownGoal(job, job.release, state, nodeId)
    if (own !== null) return own
  }
  return targetGoal(state)
}

/** The same for thousands of nodes, asked for with each of their words. */
const targetGoals = new WeakMap<SiteState, Goal>()

function targetGoal(state: SiteState): Goal | null {
  const { target } = state.record
  if (target === null) return null
  const kept = targetGoals.get(state)
  if (kept !== undefined) return kept
  const { jobId, stageNumber, number, command } = target
  const release = { release: target.release, treeHash: target.treeHash }
  const facts = { release, jobId, stageNumber, number, command, switchNow: true, canReplicate: true }
  const goal = { ...facts, assignments: state.assignments }
  targetGoals.set(state, goal)
  return goal
}

/** What a job brings a node to before its decision; null: a canary that switches back. Pure. */
function ownGoal(job: LiveJob, release: ReleaseRef, state: SiteState, nodeId: string | null): Goal | null {
  const canary = nodeId !== null && job.record.canary?.nodeIds.includes(nodeId) ? job.record.canary : null
  if (canary === null) return stagingGoal(job, release, state)
  if (canary.revoked !== null) return null
  return { ...stagingGoal(job, release, state), switchNow: true, number: canary.number }
}

/** What a goal to stage was made of, none of which is ever changed in place. */
interface Staging {
  readonly parts: readonly unknown[]
  readonly goal: Goal
}

const stagings = new WeakMap<LiveJob, Staging>()

function stagingGoal(job: LiveJob, release: ReleaseRef, state: SiteState): Goal {
  const { assignment, baseTreeHash, commands, shadowStaged } = job
  const parts = [job.record, assignment, baseTreeHash, commands, shadowStaged, state]
  const kept = stagings.get(job)
  if (kept?.parts.every((part, at) => part === parts[at])) return kept.goal
  // In a session it may still be that of the release before: what it makes decides.
  const isOwn = assignment?.release === release.release && assignment.treeHash === release.treeHash
  const own = isOwn ? [toSendable(job, assignment, release)] : []
  const others = state.assignments.filter(({ id }) => id !== assignment?.id)
  const facts = { release, jobId: job.id, switchNow: false, canReplicate: shadowStaged, ...numbersOf(job) }
  const goal = { ...facts, assignments: [...own, ...others] }
  stagings.set(job, { parts, goal })
  return goal
}

/** The release that a node should serve by now: a canary's is its job's; null: none is decided. */
export function dueOn(world: World, known: KnownNode, site: string): ReleaseRef | null {
  const goal = goalOf(world, site, known.identity.id)
  return goal?.switchNow ? goal.release : (world.sites.get(site)?.record.target ?? null)
}

/** The commands that a goal before the decision comes from. Pure. */
function numbersOf({ stageNumber }: LiveJob): Pick<Goal, 'stageNumber' | 'number' | 'command'> {
  return { stageNumber, number: stageNumber, command: 'commit' }
}

/**
 * Whether a job's decision is still to come, or was written but not yet read: until then a node that is told
 * what the site served before would lose what it fetches.
 */
function isBefore({ record, release }: LiveJob, target: ReleaseRef | null): boolean {
  if (record.state === 'distributing' || record.state === 'staged') return true
  return record.state === 'committing' && release !== null && !isSame(target, release)
}

/** What a node should do next for a site; null when no release of it is asked of the node. */
type Next = { readonly goal: Goal; readonly action: ReconcileAction } | null

export function nextFor(world: World, known: KnownNode, site: string): Next {
  if (!serves(world, known, site)) return null
  const goal = goalOf(world, site, known.identity.id)
  if (goal === null) return null
  const { underWay, failure, wholeOnly } = known.task(site)
  const action = reconcile(
    {
      target: goal.release,
      holdings: known.holdings(site),
      assignments: goal.assignments,
      switchNow: goal.switchNow,
      wholeOnly,
      repair: world.repair,
      underWay,
      lastFailure: failure,
    },
    world.clock.monotonicMs(),
  )
  return { goal, action }
}

/**
 * Brings one node one step nearer to what it should serve of a site. What it is told depends on
 * nothing but the state, so it may be called at any time and any number of times.
 */
export function steer(world: World, known: KnownNode, site: string): void {
  if (known.link === null || world.closing.aborted) return
  const next = nextFor(world, known, site)
  if (next !== null) steerTo(world, known, site, next)
  else if (serves(world, known, site)) orderNext(world, known, site)
}

function steerTo(world: World, known: KnownNode, site: string, { goal, action }: NonNullable<Next>): void {
  if (awaitsReport(world, known, site, goal.release)) return
  switch (action.do) {
    case 'nothing':
      if (owesReceipt(world, known, site, goal)) {
        askForReceipt(world, known, site, goal)
        break
      }
      note(world, goal, known, { type: 'live' })
      orderNext(world, known, site)
      break
    case 'hold':
      note(world, goal, known, { type: 'staged' })
      orderNext(world, known, site)
      break
    case 'commit':
      note(world, goal, known, { type: 'staged' })
      sendCommit(world, known, site, goal)
      break
    case 'stage':
      sendStage(world, known, goal, action.assignmentId)
      break
    case 'replicate':
      if (goal.canReplicate) world.wholes.ask(site, goal.release, goal.jobId)
      break
    case 'wait':
      break
  }
}

/**
 * It serves what a job at work has decided on, and has not said so in that job: it crashed between its switch and its
 * report, or served it before. Told to switch it answers at once.
 */
function owesReceipt(world: World, known: KnownNode, site: string, { jobId, number, switchNow }: Goal): boolean {
  const job = world.jobs.get(jobId)
  // One that will never say more has given its word: the failure.
  if (!switchNow || job?.part(known.identity.id) === undefined || known.task(site).failure?.retryable === false)
    return false
  const { state } = job.record
  return (state === 'committing' || state === 'ending') && !job.isProven(known.identity.id, number)
}

/** One that could not answer, since its disk was full, is asked again in its time. */
function askForReceipt(world: World, known: KnownNode, site: string, goal: Goal): void {
  const { failure } = known.task(site)
  if (failure !== null && world.clock.monotonicMs() < failure.retryAtMs) return
  note(world, goal, known, { type: 'staged' })
  sendCommit(world, known, site, goal)
}

/**
 * A node that is where it should be carries out what is asked of it beside releases: first what it missed, in its
 * order, then what the job at work asks.
 */
function orderNext(world: World, known: KnownNode, site: string): void {
  const owed = known.owed.find((each) => each.site === site)
  if (owed !== undefined && isEffect(owed.request)) {
    if (known.owedTold === owed) return
    known.owedTold = owed
    const { jobId, number, request } = owed
    const since = world.wording.revisionOf(site, jobId, number)
    known.link?.send({ ...executeOf({ ...owed, request }, null), ...since })
    return
  }
  const job = activeJob(world, site)
  if (job !== undefined) orderEffect(world, job, known)
}

/** What a node holds counts when it has reported it, so that its receipt is on record before its part is. */
function awaitsReport(world: World, known: KnownNode, site: string, release: ReleaseRef): boolean {
  const { underWay } = known.task(site)
  if (underWay === null || !isSame(underWay.release, release)) return false
  return world.clock.monotonicMs() - underWay.toldAtMs < REPORT_GRACE_MS
}

/** Steers every node of a site's group, in the order of the plan: who serves others is told before them. */
export function steerSite(world: World, site: string): void {
  const record = world.sites.get(site)?.record
  if (record === undefined) return
  const members = world.transfers.all.filter(({ about }) => about.site === site).flatMap((each) => [...each.members])
  const placeOf = new Map(members.map(({ nodeId }, place) => [nodeId, place]))
  const place = ({ identity }: KnownNode): number => placeOf.get(identity.id) ?? members.length
  const nodes = nodesOf(world, record).toSorted((a, b) => place(a) - place(b))
  for (const known of nodes) steer(world, known, site)
}

/** Folds what is known of a node into its part of the job at work, if it is about that job's release. */
export function note(world: World, about: { release: ReleaseRef }, known: KnownNode, event: PartEvent): void {
  changePart(world, about, known, (part) => foldPart(part, event))
}

/** What a node had of a release is of no use: its part in the job at work begins anew. */
export function noteAnew(world: World, about: { release: ReleaseRef }, known: KnownNode): void {
  changePart(world, about, known, markAnew)
}

function changePart(
  world: World,
  about: { release: ReleaseRef },
  known: KnownNode,
  change: (part: NodePart) => NodePart,
): void {
  for (const job of world.jobs.values()) {
    if (job.record.state === 'queued' || job.release === null || !isSame(job.release, about.release)) continue
    const part = job.part(known.identity.id)
    if (part !== undefined) job.setPart(change(part), world.clock.monotonicMs())
  }
}

/** Opens the transfer of a whole assignment from its files, woven for the nodes that need it now. */
function reopen(world: World, { id, record }: SendableAssignment): Transfer {
  const needy = world.roster.all.filter((known) => {
    const action = known.link === null ? null : nextFor(world, known, record.site)?.action
    return action?.do === 'stage' && action.assignmentId === id
  })
  return openTransfer(world, record, { way: wayOf(world, record.site), nodes: needy, whole: true })
}

function toSendable(job: LiveJob, record: SendableAssignment['record'], release: ReleaseRef): SendableAssignment {
  const { baseRelease } = record
  const base = baseRelease === null ? null : { release: baseRelease, treeHash: job.baseTreeHash ?? '' }
  return { id: record.id, release, base, record }
}

function sendCommit(world: World, known: KnownNode, site: string, goal: Goal): void {
  const task = known.task(site)
  task.attempts += 1
  const commandId = `${goal.jobId}.${goal.command}.${task.attempts}`
  const toldAtMs = world.clock.monotonicMs()
  task.underWay = { kind: 'commit', commandId, release: goal.release, assignmentId: null, isDelta: false, toldAtMs }
  known.link?.send({
    type: 'commit',
    commandId,
    jobId: goal.jobId,
    number: goal.number,
    command: goal.command,
    site,
    ...goal.release,
    ...(goal.switchNow ? world.wording.revisionOf(site, goal.jobId, goal.number) : {}),
  })
}

function sendStage(world: World, known: KnownNode, goal: Goal, assignmentId: string): void {
  const assignment = goal.assignments.find((each) => each.id === assignmentId)
  if (assignment === undefined) return
  const { record, base } = assignment
  const task = known.task(record.site)
  try {
    const transfer = world.transfers.get(record.id) ?? reopen(world, assignment)
    const { part, changed } = transfer.partOf(toTransferNode(world, known, wayOf(world, record.site), transfer))
    tellPlans(world, transfer.assignmentId, changed)
    task.attempts += 1
    const commandId = `${record.id}.${task.attempts}`
    const toldAtMs = world.clock.monotonicMs()
    task.underWay = {
      kind: 'stage',
      commandId,
      release: goal.release,
      assignmentId: record.id,
      isDelta: base !== null,
      toldAtMs,
    }
    task.bytesHave = 0
    task.hasAll = false
    if (!isWaiting(part.plan)) note(world, goal, known, { type: 'progress', bytesHave: 0, rateBps: 0 })
    const pace = paceAt(world, record.site)
    known.link?.send({
      type: 'stage',
      commandId,
      jobId: goal.jobId,
      number: goal.stageNumber,
      site: record.site,
      ...goal.release,
      base,
      assignment: { id: record.id, serial: record.serial, chunkBytes: record.chunkBytes },
      ...partToWire(part),
      ...(pace === undefined ? {} : { pace }),
    })
  } catch (cause) {
    const error = toEngineError(cause)
    world.log.warn({ err: error, assignmentId: record.id }, 'an assignment cannot be sent')
    task.fail(goal.release, error.toReport(), error.retryable, world.clock.monotonicMs())
    note(world, goal, known, { type: 'failed', command: 'publish', error: error.toReport() })
  }
}
