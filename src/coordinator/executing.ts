import { assert } from '../base/assert.js'
import { EngineError } from '../base/errors.js'
import { EXECUTE_STALLED_MS } from '../base/limits.js'
import { formatDuration, formatNames } from '../base/quantities.js'
import type { NodeLink } from '../control/door/channel.js'
import type { Execute, Report } from '../control/schema/channel.js'
import type { CommandRequest, CommandState, CommandType, JobCommand } from '../model/job.js'
import type { OwedCommand } from '../store/commands.js'
import { partsIn } from '../track/commands.js'
import { absenceOf, isAmong } from './audience.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import { requireSomebody } from './regrouping.js'
import type { World } from './world.js'

/** Commands that each node carries out by itself and once: they are no step towards a release. */
export const effectTypes = ['run-hook', 'verify'] as const satisfies readonly CommandType[]
type EffectRequest = Extract<CommandRequest, { type: (typeof effectTypes)[number] }>

export const isEffect = (request: CommandRequest): request is EffectRequest =>
  effectTypes.some((type) => type === request.type)

/** One node's part in the command at work. `isAway`: it is not waited for and does it when it returns. */
interface EffectPart {
  readonly state: CommandState
  readonly isAway: boolean
  readonly reason: string | null
  /** By the clock that never goes back: since when it is in this state. */
  readonly sinceMs: number
  /** Where it was told. */
  readonly told: NodeLink | null
}

/** The command that the nodes of a job carry out, each by itself. */
export interface Effects {
  readonly number: number
  readonly after: number | null
  readonly request: EffectRequest
  readonly parts: Map<string, EffectPart>
}

/**
 * Has every node of a job carry a command out, and waits for those that answer.
 * @returns whether some were not waited for.
 * @throws {EngineError} ENGINE_ERR_COMMAND_FAILED when it failed on a node, ENGINE_ERR_GROUP_EMPTY when all have
 * departed; the signal's reason when it is stopped.
 */
export async function executeEverywhere(world: World, job: LiveJob, command: JobCommand): Promise<boolean> {
  const { number, request } = command
  assert(isEffect(request), 'a command of this type is carried out by each node', { type: request.type })
  const nodeIds = job.remaining.map(({ nodeId }) => nodeId)
  const before = job.commands.filter((each) => each.number < number && isEffect(each.request)).at(-1)
  const parts = await executeOn(world, job, { number, after: before?.number ?? null, request, nodeIds })
  requireSomebody(job)
  const failed = [...parts].filter(([, { state }]) => state === 'failed')
  if (failed.length > 0) throw failureOf(job, command, parts, failed)
  return [...parts.values()].some(({ isAway }) => isAway)
}

/** What some nodes of a job are to carry out. */
interface EffectOrder extends Omit<Effects, 'parts'> {
  readonly nodeIds: readonly string[]
}

/**
 * Has nodes of a job carry something out, each once, and waits for those that answer.
 * @returns what came of it on each.
 * @throws {Error} the signal's reason when the job is stopped.
 */
export async function executeOn(
  world: World,
  job: LiveJob,
  { nodeIds, ...order }: EffectOrder,
): Promise<ReadonlyMap<string, EffectPart>> {
  const { number } = order
  const partOn = partsIn(await world.store.receipts.list(job.id, { number }), number)
  const nowMs = world.clock.monotonicMs()
  const parts = new Map<string, EffectPart>()
  for (const nodeId of nodeIds) {
    parts.set(nodeId, { ...partOn(nodeId), sinceMs: nowMs, told: null, isAway: false })
  }
  job.effects = { ...order, parts }
  try {
    for (const known of world.roster.all) orderEffect(world, job, known)
    world.wording.tell(job)
    await allAnswered(world, job, job.effects)
    return parts
  } finally {
    job.effects = null
  }
}

/**
 * Takes up what nodes of a job owe by what is on record now, of those that have not answered for a command which is
 * over. Who has come back while it was at work read it before that, and may say no second hello.
 */
export async function takeUpOwed(world: World, job: LiveJob, { number }: JobCommand): Promise<void> {
  const partOn = partsIn(await world.store.receipts.list(job.id, { number }), number)
  for (const { nodeId } of job.remaining) {
    const known = world.roster.get(nodeId)
    const { state } = partOn(nodeId)
    if (known === undefined || known.link === null || state === 'completed' || state === 'failed') continue
    const owed = await world.store.commands.owedTo(nodeId, effectTypes)
    // Who was told of one is not told again.
    known.owed = owed.map((each) => known.owed.find((old) => isSameCommand(old, each)) ?? each)
  }
}

const isSameCommand = (a: OwedCommand, b: OwedCommand): boolean => a.jobId === b.jobId && a.number === b.number

/** What a node is told of the job's command, unless it was told on this connection. */
export function orderEffect(world: World, job: LiveJob, known: KnownNode): void {
  const { effects } = job
  const part = effects?.parts.get(known.identity.id)
  if (!effects || part === undefined || known.link === null || part.told === known.link) return
  if (!isAmong(job.record, known)) return
  if (part.state === 'completed' || part.state === 'failed') return
  effects.parts.set(known.identity.id, { ...part, told: known.link, isAway: false, sinceMs: world.clock.monotonicMs() })
  const { number, after, request } = effects
  const { site } = job.record
  const since = world.wording.revisionOf(site, job.id, number)
  known.link.send({ ...executeOf({ jobId: job.id, number, site, request }, after), ...since })
}

/** The message that has a node carry a command out. Pure. */
export function executeOf(
  of: { readonly jobId: string; readonly number: number; readonly site: string; readonly request: EffectRequest },
  after: number | null,
): Execute {
  const { jobId, number, site, request } = of
  return { type: 'execute', commandId: `${jobId}.${number}`, jobId, number, after, site, command: { ...request } }
}

/** A node has answered: its part moves on. */
export function takeExecuted(world: World, known: KnownNode, report: Report): void {
  const { jobId, number, kind, error } = report
  known.owed = known.owed.filter((each) => each.jobId !== jobId || each.number !== number)
  const job = world.jobs.get(jobId)
  takeRestarted(job, known, report)
  const part = job?.effects?.number === number ? job.effects.parts.get(known.identity.id) : undefined
  if (job === undefined || job.effects === null || part === undefined) return
  if (part.state === 'completed' || (part.state === 'in-progress' && kind === 'receipt')) return
  const state = stateOf(kind)
  const sinceMs = world.clock.monotonicMs()
  job.effects.parts.set(known.identity.id, { ...part, state, isAway: false, reason: error?.message ?? null, sinceMs })
  job.bell.ring()
}

/** It is of the hook that restarts the node, which no client has asked for. */
function takeRestarted(
  job: LiveJob | undefined,
  { identity: { id } }: KnownNode,
  { number, kind, error }: Report,
): void {
  if (job?.restarts.get(id)?.number !== number) return
  job.restarts.set(id, { number, state: stateOf(kind), reason: error?.message ?? null })
  job.bell.ring()
}

const stateOf = (kind: Report['kind']): CommandState =>
  kind === 'receipt' ? 'in-progress' : kind === 'completion' ? 'completed' : 'failed'

async function allAnswered(world: World, job: LiveJob, effects: Effects): Promise<void> {
  for (;;) {
    job.signal.throwIfAborted()
    giveUpAway(world, job, effects)
    const parts = [...effects.parts.values()]
    if (parts.every(({ state, isAway }) => isAway || state === 'completed' || state === 'failed')) break
    await job.bell.wait(job.signal)
  }
}

/** Nodes that do not answer, or were told and did not even say that they have it, are not waited for. */
function giveUpAway(world: World, job: LiveJob, { parts }: Effects): void {
  const nowMs = world.clock.monotonicMs()
  for (const [nodeId, part] of parts) {
    if (part.isAway || part.state === 'completed' || part.state === 'failed') continue
    const quietMs = nowMs - part.sinceMs
    const isStalled = part.state === 'new' && quietMs > EXECUTE_STALLED_MS
    const stall = isStalled ? `it has not taken the command for ${formatDuration(quietMs)}` : null
    const reason = absenceOf(world, nodeId) ?? stall
    if (reason !== null) parts.set(nodeId, { ...part, isAway: true, reason })
  }
}

function failureOf(
  job: LiveJob,
  { number, request }: JobCommand,
  parts: ReadonlyMap<string, EffectPart>,
  failed: readonly (readonly [string, EffectPart])[],
): EngineError {
  const names = formatNames(failed.map(([nodeId]) => job.part(nodeId)?.name ?? nodeId))
  const counts = { failed: failed.length, total: parts.size, names }
  const why = failed[0]?.[1].reason ?? 'the node gave no reason'
  return new EngineError('ENGINE_ERR_COMMAND_FAILED', { jobId: job.id, number, command: request.type, ...counts, why })
}
