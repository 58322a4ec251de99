import { EngineError, errorTable, isErrorCode, toEngineError } from '../base/errors.js'
import { REPORTS_KEPT_MAX } from '../base/limits.js'
import type { NodeLink, NodeSession } from '../control/door.js'
import { CHANNEL_VERSION, type FromNode, type Hello, type Progress, type Report } from '../control/schema/channel.js'
import { isFinal } from '../jobs/job.js'
import type { Receipt } from '../model/job.js'
import { markReturned, newPart } from '../track/fold.js'
import { isSame } from '../track/reconcile.js'
import type { Member } from './members.js'
import { note, steer } from './steering.js'
import { isStopping, type World } from './world.js'

/** Messages of a node that wait: all that it may owe, twice, since what an earlier connection brought may wait too. */
const INBOX_MAX = 2 * REPORTS_KEPT_MAX

/** Failures of a difference that bringing the whole release may mend. */
const mendedByWhole = new Set([
  'ENGINE_ERR_BASE_MISSING',
  'ENGINE_ERR_ASSIGNMENT_CORRUPT',
  'ENGINE_ERR_DIGEST_MISMATCH',
  'ENGINE_ERR_TREE_MISMATCH',
  'ENGINE_ERR_TREE_CORRUPT',
])

/**
 * A node said hello: it is admitted, told what to drop, and steered to what it should serve.
 * @throws {EngineError} ENGINE_ERR_CLOSING, ENGINE_ERR_NODE_NAME_TAKEN, ENGINE_ERR_OVERLOADED.
 */
export function nodeConnected(world: World, link: NodeLink, hello: Hello): NodeSession {
  if (world.closing.aborted) throw new EngineError('ENGINE_ERR_CLOSING')
  const { node, sites } = hello
  const member = world.members.admit(node, sites, world.clock.nowMs())
  member.lost()
  member.link = link
  member.heard(world.clock)
  link.send({
    type: 'welcome',
    version: CHANNEL_VERSION,
    role: 'coordinator',
    coordinatorId: world.coordinatorId,
    publicKey: world.publicKey,
  })
  for (const stale of world.stale) if (inGroupOf(world, member, stale.site)) link.send({ type: 'discard', ...stale })
  world.log.info({ nodeId: node.id, node: node.name, segment: node.segment }, 'node connected')
  enqueue(world, member, 'a hello', async () => {
    await world.store.nodes.put(node, sites, world.clock.nowMs())
    await discardVain(world, member)
    welcomeToJobs(world, member)
    for (const site of world.sites.keys()) steer(world, member, site)
  })
  return {
    onMessage: (message) => take(world, member, link, message),
    onAlive: () => {
      if (member.link === link) member.heard(world.clock)
    },
    onClosed: () => closed(world, member, link),
  }
}

function inGroupOf(world: World, member: Member, site: string): boolean {
  const group = world.sites.get(site)?.record.group
  return group !== undefined && member.identity.groups.includes(group)
}

/** Effects of one node's messages happen one after the other; one that fails is logged and the next is taken. */
function enqueue(world: World, member: Member, what: string, effect: () => Promise<void>): void {
  member.inboxCount += 1
  member.inbox = member.inbox
    .then(effect)
    .catch((caught: unknown) => {
      const err = toEngineError(caught)
      if (!isStopping(world, err)) world.log.error({ err, node: member.identity.name, what }, 'a message was not taken')
    })
    .finally(() => {
      member.inboxCount -= 1
    })
}

/** A node that says more than can be taken is let go: it tells again what was not acknowledged. */
function refuseFlood(world: World, member: Member, link: NodeLink): void {
  const error = new EngineError('ENGINE_ERR_OVERLOADED', { what: 'messages of a node' })
  world.log.warn({ err: error, node: member.identity.name, waiting: member.inboxCount }, 'node says too much')
  link.close(error.code, error.message)
}

/** Has a node drop what it staged for jobs that came to nothing while it was away. */
async function discardVain(world: World, member: Member): Promise<void> {
  for (const { site, live, held } of member.sites.values()) {
    const target = world.sites.get(site)?.record.target?.release
    for (const { release } of held.filter((each) => each.release !== live?.release && each.release !== target)) {
      const assignmentId = await vainAssignment(world, site, release)
      if (assignmentId !== null) member.link?.send({ type: 'discard', assignmentId, site, release })
    }
  }
}

/** The assignment that made a release for a job that failed or was aborted; null for any other release. */
async function vainAssignment(world: World, site: string, release: number): Promise<string | null> {
  const record = await world.store.releases.get(site, release)
  const job = record === null ? null : await world.store.jobs.get(record.jobId)
  if (job === null || (job.state !== 'failed' && job.state !== 'aborted')) return null
  return job.assignment?.id ?? null
}

/** Gives it its part in jobs that still wait for their nodes, as one that was away or has just joined. */
function welcomeToJobs(world: World, member: Member): void {
  for (const job of world.jobs.values()) {
    const { group, state } = job.record
    if (!member.identity.groups.includes(group) || state === 'queued' || isFinal(state)) continue
    const part = job.part(member.identity.id)
    const nowMs = world.clock.monotonicMs()
    if (part !== undefined) job.setPart(markReturned(part), nowMs)
    else if (state === 'packing' || state === 'distributing') job.setPart(newPart(member.identity), nowMs)
  }
}

function take(world: World, member: Member, link: NodeLink, message: FromNode): void {
  if (member.link !== link) return
  member.heard(world.clock)
  if (message.type !== 'progress' && member.inboxCount >= INBOX_MAX) {
    refuseFlood(world, member, link)
    return
  }
  switch (message.type) {
    case 'progress':
      takeProgress(world, member, message)
      break
    case 'report':
      enqueue(world, member, 'a report', () => takeReport(world, member, link, message))
      break
    case 'holdings':
      enqueue(world, member, 'holdings', async () => {
        for (const holdings of message.sites) member.setHoldings(holdings)
        await world.store.nodes.setSites(member.identity.id, message.sites, world.clock.nowMs())
        for (const site of world.sites.keys()) steer(world, member, site)
      })
      break
    case 'hello':
      break
  }
}

function closed(world: World, member: Member, link: NodeLink): void {
  if (member.link !== link) return
  member.lost()
  world.log.info({ nodeId: member.identity.id, node: member.identity.name }, 'node disconnected')
  enqueue(world, member, 'a goodbye', () => world.store.nodes.setSeen(member.identity.id, member.lastSeenMs, null))
  for (const job of world.jobs.values()) job.bell.ring()
}

function takeProgress(world: World, member: Member, { jobId, assignmentId, bytesHave, rateBps }: Progress): void {
  const release = world.jobs.get(jobId)?.release
  const isUnderWay = [...member.assignmentsUnderWay].includes(assignmentId)
  if (release && isUnderWay) note(world, { release }, member, { type: 'progress', bytesHave, rateBps })
}

/** A report is on record before it is acknowledged, and acknowledged before it counts. */
async function takeReport(world: World, member: Member, link: NodeLink, report: Report): Promise<void> {
  await keepReceipt(world, member, report)
  link.send({ type: 'ack', reportId: report.reportId })
  const { site, release, treeHash, command, kind, error } = report
  const about = { release: { release, treeHash } }
  if (kind === 'receipt') {
    note(world, about, member, { type: 'received' })
  } else if (kind === 'completion') {
    noteCompletion(member, report)
    note(world, about, member, { type: command === 'publish' ? 'staged' : 'live' })
  } else if (countsAsFailed(world, member, report)) {
    note(world, about, member, { type: 'failed', command, error: error ?? unexplained })
  }
  steer(world, member, site)
}

/** Stopping because it was told to is no failure of a node: that is not kept. */
async function keepReceipt(world: World, member: Member, report: Report): Promise<void> {
  if (report.kind === 'failure' && report.error?.code === 'ENGINE_ERR_CANCELLED') return
  const { jobId } = report
  const isKnown = world.jobs.has(jobId) || (await world.store.jobs.get(jobId)) !== null
  if (isKnown) await world.receiptBook.record(toReceipt(world, member, report))
  else world.log.warn({ jobId, node: member.identity.name }, 'a report about a job that is not kept')
}

const unexplained = { code: 'ENGINE_ERR_INTERNAL', message: 'the node gave no reason', hint: 'see the log of the node' }

function toReceipt(world: World, member: Member, report: Report): Receipt {
  const { jobId, command, kind, release, treeHash, atMs, bytesFetched, error } = report
  const { id: nodeId, name: nodeName } = member.identity
  const recordedAtMs = world.clock.nowMs()
  return { jobId, nodeId, nodeName, command, kind, release, treeHash, atMs, recordedAtMs, bytesFetched, error }
}

/** A completion is the newest word on what a node holds. */
function noteCompletion(member: Member, { site, release, treeHash, command }: Report): void {
  const ref = { release, treeHash }
  const { live, held } = member.holdings(site)
  const others = held.filter((each) => each.release !== release)
  member.setHoldings({ site, live: command === 'publish' ? live : ref, held: [...others, ref] })
  const task = member.task(site)
  const answered = task.underWay !== null && isSame(task.underWay.release, ref)
  if (answered || task.underWay === null) task.succeed()
}

/**
 * Takes note of a failure.
 * @returns false when it is not the last word: an earlier attempt's, or another way is tried at once.
 */
function countsAsFailed(world: World, member: Member, report: Report): boolean {
  const { site, release, treeHash, command, commandId } = report
  const error = report.error ?? unexplained
  const task = member.task(site)
  const about = task.underWay
  if (about === null || about.commandId !== commandId) return false
  const triesWhole = command === 'publish' && about.isDelta && !task.wholeOnly && mendedByWhole.has(error.code)
  world.log.warn({ node: member.identity.name, site, release, code: error.code, triesWhole }, 'a node failed')
  if (triesWhole) {
    task.wholeOnly = true
    task.underWay = null
    return false
  }
  task.fail({ release, treeHash }, error, isRetryable(error.code), world.clock.monotonicMs())
  return true
}

/** An unknown code comes from another release of the software: it is tried again. */
function isRetryable(code: string): boolean {
  return isErrorCode(code) ? errorTable[code].retryable : true
}
