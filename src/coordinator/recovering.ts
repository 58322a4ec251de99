import { assert } from '../base/assert.js'
import type { JobRecord } from '../store/jobs.js'
import { toPart } from '../track/fold.js'
import { isSame } from '../track/reconcile.js'
import { openForJob, stageShadow } from './distributing.js'
import { abortError } from './ending.js'
import { LiveJob } from './live-job.js'
import { isUndecided, takeUpLeavers } from './regrouping.js'
import { KnownNode } from './roster.js'
import { advance, ownRelease, refreshSite, type World } from './world.js'

/**
 * Takes up what the database says after a start, whatever the last life of the coordinator was at:
 * nodes, sites, jobs without an end. What only a killed process could leave is swept away.
 */
export async function recover(world: World): Promise<void> {
  for (const node of await world.store.nodes.list()) {
    world.roster.add(new KnownNode(node, node.sites, node.lastSeenMs, node.publicKey))
  }
  for (const { site } of await world.store.sites.list()) await refreshSite(world, site)
  await world.wording.recover()
  for (const record of await world.store.jobs.unfinished()) await takeUp(world, record)
  await world.standings.recover()
  await sweep(world)
  for (const { record } of world.sites.values()) await mendShadow(world, record.site, record.target?.release ?? null)
}

async function takeUp(world: World, record: JobRecord): Promise<void> {
  const parts = (await world.store.jobNodes.list(record.id)).map(toPart)
  const commands = await world.store.commands.list(record.id)
  const job = new LiveJob(record, { commands, parts }, world.clock.monotonicMs())
  await world.watching.begin(job.id, false)
  world.jobs.set(job.id, job)
  const { state } = record
  if (state === 'ending') job.isHurried = await world.store.jobs.isAbortAsked(record.id)
  await takeUpProofs(world, job)
  await takeUpLeavers(world, job)
  if (state === 'committing' || state === 'ending') return
  if (await world.store.jobs.isAbortAsked(record.id)) {
    job.controller.abort(abortError(job))
    return
  }
  if (isUndecided(job)) await takeUpRelease(world, job)
}

/** Goes on with what a job brings, where that is whole here. */
async function takeUpRelease(world: World, job: LiveJob): Promise<void> {
  const { record } = job
  const { assignment, state } = record
  if (state === 'staged' && assignment === null && isLive(world, job)) {
    // Nothing differed: there is nothing to be packed, and what was asked since then stands.
    job.shadowStaged = true
    return
  }
  const kept = assignment === null ? null : await world.store.assignments.get(assignment.id)
  if (kept !== null && kept.packed !== null && world.content.hasAssignment(kept.serial)) {
    job.assignment = kept
    job.baseTreeHash = await baseHash(world, record)
    return
  }
  await startAnew(world, job)
}

const isLive = (world: World, { release, record: { site } }: LiveJob): boolean =>
  release !== null && isSame(world.sites.get(site)?.record.target ?? null, release)

/** Who has said that it is live is not asked again. */
async function takeUpProofs(world: World, job: LiveJob): Promise<void> {
  for (const { nodeId, number, command, kind } of await world.store.receipts.list(job.id)) {
    if (kind === 'completion' && (command === 'commit' || command === 'rollback')) job.prove(nodeId, number)
  }
}

/** The assignment was not whole: the job is packed again, and what went out of it is dropped everywhere. */
async function startAnew(world: World, job: LiveJob): Promise<void> {
  const { site, assignment, state, canary } = job.record
  const release = await ownRelease(world, job)
  const { stageNumber } = job
  // Who asked for more once it was staged meant that, not what the directory holds by now.
  const dropsLater = state === 'staged' && (canary ?? null) === null
  await advance(
    world,
    job,
    { type: 'interrupted' },
    {
      commands: [{ number: stageNumber, state: 'new' }],
      async write(tables) {
        if (assignment !== null) await tables.assignments.remove(assignment.id)
        if (release !== null) await tables.releases.setHeld(site, release, false)
        if (dropsLater) await tables.commands.dropAfter(job.id, stageNumber)
      },
    },
  )
  if (dropsLater) job.commands = job.commands.filter(({ number }) => number <= stageNumber)
  if (assignment !== null && release !== null) {
    world.stale.push({ assignmentId: assignment.id, site, release })
  }
  world.log.info({ jobId: job.id, site }, 'an interrupted job is packed again')
}

async function baseHash(world: World, { site, baseRelease }: JobRecord): Promise<string | null> {
  if (baseRelease === null) return null
  return (await world.store.releases.get(site, baseRelease))?.treeHash ?? null
}

/** Goes on with a job whose assignment is whole on disk. */
export async function resumeTransfer(world: World, job: LiveJob): Promise<void> {
  const { assignment } = job
  assert(assignment !== null, 'a resumed job has its assignment', { jobId: job.id })
  openForJob(world, job, assignment, { whole: true })
  await stageShadow(world, job, null, job.signal)
}

/** Removes assignments and releases that the database does not count any more. */
async function sweep(world: World): Promise<void> {
  const known = new Set<number>()
  for (const kept of await world.store.assignments.list()) {
    if (kept.packed !== null) known.add(kept.serial)
    else await world.store.assignments.remove(kept.id)
  }
  await world.content.sweep(known)
  for (const site of world.sites.keys()) {
    const held = await world.store.releases.list(site, { heldOnly: true })
    await world.content.shadow.sweep(site, new Set(held.map((each) => each.release)))
  }
}

/** A coordinator that was killed between its decision and its own switch makes up for it. */
async function mendShadow(world: World, site: string, target: number | null): Promise<void> {
  if (target === null) return
  try {
    await world.content.shadow.switchTo(site, target)
  } catch (error) {
    world.log.warn({ err: error, site, release: target }, 'the shadow does not hold what should be live')
  }
}
