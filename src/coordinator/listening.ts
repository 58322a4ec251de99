import { EngineError, errorTable, isErrorCode, toEngineError } from '../base/errors.js'
import { NODE_INBOX_MAX } from '../base/limits.js'
import type { NodeLink, NodeSession } from '../control/door/channel.js'
import { CHANNEL_VERSION, type FromNode, type Hello, type Progress, type Report } from '../control/schema/channel.js'
import type { JobError, Receipt } from '../model/job.js'
import type { ReleaseRef } from '../model/node.js'
import { isSame } from '../track/reconcile.js'
import { discardVain } from './discarding.js'
import { takeDrift } from './drifting.js'
import { takesReport } from './proving.js'
import { serves } from './audience.js'
import { effectTypes, takeExecuted } from './executing.js'
import { dropUndecided, isUndecided, joinJobs, leaveJobs, tellRegrouped } from './regrouping.js'
import { repeatPauses } from './pausing.js'
import type { KnownNode } from './roster.js'
import { note, noteAnew, steer } from './steering.js'
import { reweigh } from './uplinks.js'
import { countFaults, isStopping, type World } from './world.js'

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
 * @throws {EngineError} ENGINE_ERR_CLOSING, ENGINE_ERR_NODE_NAME_TAKEN, ENGINE_ERR_NODE_KEY_CHANGED,
 *   ENGINE_ERR_OVERLOADED.
 */
export function nodeConnected(world: World, link: NodeLink, hello: Hello): NodeSession {
  if (world.closing.aborted) throw new EngineError('ENGINE_ERR_CLOSING')
  const { node, sites, publicKey = null } = hello
  const known = world.roster.admit(node, sites, world.clock.nowMs(), publicKey)
  known.lost()
  // Before any job looks at its nodes again.
  const left = leaveJobs(world, known)
  const undecided = left.filter(isUndecided)
  world.checks.lost(known.identity.id)
  world.queries.lost(known.identity.id, node.name)
  world.looking.lost(known)
  world.probes.lost(known)
  known.link = link
  known.hooks = hello.hooks ?? null
  known.limit = hello.limit ?? null
  known.load = hello.load ?? null
  known.heard(world.clock)
  link.send({
    type: 'welcome',
    version: CHANNEL_VERSION,
    role: 'coordinator',
    coordinatorId: world.coordinatorId,
    publicKey: world.publicKey,
  })
  for (const stale of world.stale) if (serves(world, known, stale.site)) link.send({ type: 'discard', ...stale })
  world.log.info({ nodeId: node.id, node: node.name, segment: node.segment }, 'node connected')
  enqueueOnce(world, known, link, 'a hello', async () => {
    // What it said last: this may run when it has said hello again.
    await world.nodeBook.put(known.identity, [...known.sites.values()], world.clock.nowMs(), known.publicKey)
    if (known.link !== link) return
    world.standings.look(known)
    await discardVain(world, known)
    joinJobs(world, known)
    dropUndecided(world, known, undecided)
    for (const job of new Set([...left, ...world.jobs.values()])) await tellRegrouped(world, job)
    repeatPauses(world, known, (site) => serves(world, known, site))
    known.owed = await world.store.commands.owedTo(known.identity.id, effectTypes)
    for (const site of world.sites.keys()) steer(world, known, site)
    await world.wording.welcome(
      known,
      [...world.sites.keys()].filter((site) => serves(world, known, site)),
    )
  })
  return {
    onMessage: (message) => take(world, known, link, message),
    onAlive: () => {
      if (known.link === link) known.heard(world.clock)
    },
    onClosed: () => closed(world, known, link),
  }
}

/** Effects of one node's messages happen one after the other; one that fails is logged and the next is taken. */
function enqueue(world: World, known: KnownNode, what: string, effect: () => Promise<void>): void {
  known.inboxCount += 1
  known.inbox = known.inbox
    .then(effect)
    .catch((caught: unknown) => {
      const err = toEngineError(caught)
      if (!isStopping(world, err)) world.log.error({ err, node: known.identity.name, what }, 'a message was not taken')
    })
    .finally(() => {
      known.inboxCount -= 1
    })
}

/** What cannot be taken costs the connection: the node comes again, and all that is left out here is done then. */
function enqueueOnce(world: World, known: KnownNode, link: NodeLink, what: string, effect: () => Promise<void>): void {
  enqueue(world, known, what, async () => {
    try {
      await effect()
    } catch (caught) {
      const error = toEngineError(caught)
      if (known.link === link) link.close(error.code, error.message)
      throw error
    }
  })
}

/** A node that says more than can be taken is let go: it tells again what was not acknowledged. */
function refuseFlood(world: World, known: KnownNode, link: NodeLink): void {
  const error = new EngineError('ENGINE_ERR_OVERLOADED', { what: 'messages of a node' })
  world.log.warn({ err: error, node: known.identity.name, waiting: known.inboxCount }, 'node says too much')
  link.close(error.code, error.message)
}

/** What is taken in at once and never waits. */
const figures = ['progress', 'flows', 'faults', 'load'] as const
type Figure = Extract<FromNode, { readonly type: (typeof figures)[number] }>
const isFigure = (message: FromNode): message is Figure => figures.some((type) => type === message.type)

function takeFigure(world: World, known: KnownNode, message: Figure): void {
  switch (message.type) {
    case 'progress':
      takeProgress(world, known, message)
      break
    case 'flows':
      world.linkWatch.hear(known, message)
      break
    case 'faults':
      countFaults(world, 'node', message)
      break
    case 'load':
      known.load = message.load
      break
  }
}

function take(world: World, known: KnownNode, link: NodeLink, message: FromNode): void {
  if (known.link !== link) return
  known.heard(world.clock)
  if (isFigure(message)) {
    takeFigure(world, known, message)
    return
  }
  if (known.inboxCount >= NODE_INBOX_MAX) {
    refuseFlood(world, known, link)
    return
  }
  switch (message.type) {
    case 'limited':
      known.limit = message.limit
      known.limitBell.ring()
      world.uplinks.changed()
      reweigh(world)
      break
    case 'report':
      enqueue(world, known, 'a report', () => takeReport(world, known, link, message))
      break
    case 'holdings':
      enqueueOnce(world, known, link, 'holdings', async () => {
        // What came by a connection that is gone must not undo what a newer hello says.
        if (known.link !== link) return
        for (const holdings of message.sites) known.setHoldings(holdings)
        // Before it is steered back: that it drifted is news, however soon it is mended.
        world.standings.look(known)
        await world.nodeBook.setSites(known.identity.id, message.sites, world.clock.nowMs())
        await discardVain(world, known)
        for (const site of world.sites.keys()) steer(world, known, site)
      })
      break
    case 'drift':
      enqueue(world, known, 'drift', async () => takeDrift(world, known, message))
      break
    case 'hello':
      break
    default:
      takeAnswer(world, known, message)
  }
}

/** What a node was asked outside of any job. */
function takeAnswer(
  world: World,
  known: KnownNode,
  message: FromNode & { readonly type: 'checked' | 'state' | 'looked' | 'unsent' | 'probed' },
): void {
  switch (message.type) {
    case 'checked':
      world.checks.answer(known.identity.id, message)
      break
    case 'state':
      world.queries.answer(known.identity.id, message)
      break
    case 'looked':
      world.looking.looked(known.identity.id, message)
      break
    case 'probed':
      world.probes.answer(known.identity.id, message)
      break
    case 'unsent':
      world.looking.unsent(known.identity.id, message)
      break
  }
}

function closed(world: World, known: KnownNode, link: NodeLink): void {
  if (known.link !== link) return
  if (known.flows.length > 0) world.weighing.leave(world.clock.monotonicMs())
  known.lost()
  world.checks.lost(known.identity.id)
  world.queries.lost(known.identity.id, known.identity.name)
  world.looking.lost(known)
  world.probes.lost(known)
  world.log.info({ nodeId: known.identity.id, node: known.identity.name }, 'node disconnected')
  enqueue(world, known, 'a goodbye', () => world.nodeBook.setSeen(known.identity.id, known.lastSeenMs))
  for (const job of world.jobs.values()) job.bell.ring()
}

function takeProgress(world: World, known: KnownNode, { jobId, assignmentId, bytesHave, rateBps }: Progress): void {
  const release = world.jobs.get(jobId)?.release
  const isUnderWay = known.fetched(assignmentId, bytesHave)
  if (release && isUnderWay) note(world, { release }, known, { type: 'progress', bytesHave, rateBps })
}

/**
 * A report is on record before it is acknowledged, and acknowledged before it counts. One that cannot be
 * recorded costs the connection: the node comes again and tells it again.
 */
async function takeReport(world: World, known: KnownNode, link: NodeLink, report: Report): Promise<void> {
  try {
    if (!(await takesReport(world, known, link, report))) return
    await keepReceipt(world, known, report)
  } catch (caught) {
    const error = toEngineError(caught)
    link.close(error.code, error.message)
    throw error
  }
  link.send({ type: 'ack', reportId: report.reportId })
  // By a newer connection it is told again, after what that one's hello says.
  if (known.link !== null && known.link !== link) return
  takeContent(world, known, link, report)
  steer(world, known, report.site)
}

/** What a report about a release changes. */
function takeContent(world: World, known: KnownNode, link: NodeLink, report: Report): void {
  const { command, kind, error } = report
  const ref = releaseOf(report)
  if (ref === null) {
    takeExecuted(world, known, report)
    return
  }
  const about = { release: ref }
  if (kind === 'receipt') {
    known.task(report.site).receive(ref)
    note(world, about, known, { type: 'received' })
  } else if (kind === 'completion') {
    // Once it is gone, its next hello says what it holds.
    if (known.link === link) noteCompletion(known, report, ref)
    if (command !== 'publish') dropVain(known, report.site, ref)
    if (command !== 'publish') world.jobs.get(report.jobId)?.prove(known.identity.id, report.number)
    note(world, about, known, { type: command === 'publish' ? 'staged' : 'live' })
  } else if (countsAsFailed(world, known, report, ref)) {
    note(world, about, known, { type: 'failed', command, error: error ?? unexplained })
  }
}

/** It serves something else now: what came to nothing is dropped. */
function dropVain(known: KnownNode, site: string, { release }: ReleaseRef): void {
  const task = known.task(site)
  if (task.vain === null || task.vain.release === release) return
  known.link?.send({ type: 'discard', site, ...task.vain, evenLive: true })
  task.vain = null
}

/** The release that a report is about; null for a command that is about none. */
function releaseOf({ command, release, treeHash }: Report): ReleaseRef | null {
  const isContent = command === 'publish' || command === 'commit' || command === 'rollback'
  return isContent && release !== null && treeHash !== null ? { release, treeHash } : null
}

/** Stopping because it was told to is no failure of a node: that is not kept. */
async function keepReceipt(world: World, known: KnownNode, report: Report): Promise<void> {
  if (report.kind === 'failure' && report.error?.code === 'ENGINE_ERR_CANCELLED') return
  const { jobId } = report
  const isKnown = world.jobs.has(jobId) || (await world.store.jobs.get(jobId)) !== null
  if (isKnown) await world.receiptBook.record(toReceipt(world, known, report))
  else world.log.warn({ jobId, node: known.identity.name }, 'a report about a job that is not kept')
}

const unexplained = { code: 'ENGINE_ERR_INTERNAL', message: 'the node gave no reason', hint: 'see the log of the node' }

function toReceipt(world: World, known: KnownNode, report: Report): Receipt {
  const { signature = null } = report
  return {
    jobId: report.jobId,
    number: report.number,
    commandId: report.commandId,
    site: report.site,
    nodeId: known.identity.id,
    nodeName: known.identity.name,
    command: report.command,
    kind: report.kind,
    release: report.release,
    treeHash: report.treeHash,
    atMs: report.atMs,
    recordedAtMs: world.clock.nowMs(),
    bytesFetched: report.bytesFetched,
    output: report.output,
    error: report.error,
    signature,
    publicKey: signature === null ? null : known.publicKey,
  }
}

/** A completion is the newest word on what a node holds. */
function noteCompletion(known: KnownNode, { site, command }: Report, ref: ReleaseRef): void {
  const { live, held, damaged = [] } = known.holdings(site)
  const others = held.filter((each) => each.release !== ref.release)
  const stillDamaged = damaged.filter((each) => each.release !== ref.release)
  // One that readers saw all the while is live the moment a good copy stands in its place.
  const isMended = damaged.some((each) => each.live && isSame(each, ref))
  const isLive = command !== 'publish' || isMended
  const also = stillDamaged.length > 0 ? { damaged: stillDamaged } : {}
  known.setHoldings({ site, live: isLive ? ref : live, held: [...others, ref], ...also })
  const task = known.task(site)
  const kind = command === 'publish' ? 'stage' : 'commit'
  const { underWay } = task
  if (underWay === null || (underWay.kind === kind && isSame(underWay.release, ref))) task.succeed()
}

/**
 * Takes note of a failure.
 * @returns false when it is not the last word: an earlier attempt's, or another way is tried at once.
 */
function countsAsFailed(world: World, known: KnownNode, report: Report, ref: ReleaseRef): boolean {
  const { site, command, commandId } = report
  const error = report.error ?? unexplained
  const task = known.task(site)
  const about = task.underWay
  if (about === null || about.commandId !== commandId) return false
  const triesWhole = command === 'publish' && about.isDelta && !task.wholeOnly && mendedByWhole.has(error.code)
  world.log.warn(
    { node: known.identity.name, site, release: ref.release, code: error.code, triesWhole },
    'a node failed',
  )
  if (triesWhole) {
    task.wholeOnly = true
    task.underWay = null
    noteAnew(world, { release: ref }, known)
    return false
  }
  if (command !== 'publish' && error.code === 'ENGINE_ERR_RELEASE_UNKNOWN') {
    loseRelease(world, known, { site, lost: ref }, error)
    return false
  }
  task.fail(ref, error, isRetryable(error.code), world.clock.monotonicMs())
  return true
}

/** A node lacks what it was told to switch to, whatever it said before: it is staged there anew, soon. */
function loseRelease(
  world: World,
  known: KnownNode,
  { site, lost }: { readonly site: string; readonly lost: ReleaseRef },
  error: JobError,
): void {
  const before = known.holdings(site)
  const { live, held } = before
  const others = held.filter((each) => !isSame(each, lost))
  known.setHoldings({ ...before, live: isSame(live, lost) ? null : live, held: others })
  known.task(site).fail(lost, error, true, world.clock.monotonicMs())
  noteAnew(world, { release: lost }, known)
}

/** An unknown code comes from another release of the software: it is tried again. */
function isRetryable(code: string): boolean {
  return isErrorCode(code) ? errorTable[code].retryable : true
}
