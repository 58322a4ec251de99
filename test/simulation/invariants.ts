// What must hold when faults have ended and everybody had time to get there; the numbers are those of the project's
// list: I2 no acknowledged loss, I3 no false completion, I4 convergence, I6 once, I8 no confusion, I9 bounded.
import { REPORTS_KEPT_MAX, STALE_ASSIGNMENTS_MAX } from '../../src/base/limits.js'
import { auditHash, auditStart } from '../../src/model/audit.js'
import { type CommandState, type JobCommand, type Receipt, remainingOf } from '../../src/model/job.js'
import type { ReleaseRef } from '../../src/model/node.js'
import type { JobRecord } from '../../src/store/jobs.js'
import type { Store } from '../../src/store/store.js'
import type { World } from '../../src/coordinator/world.js'
import type { AskedJob, Clients } from './clients.js'
import type { SimCoordinator } from './coordinator.js'
import type { Target } from './database.js'
import type { SimNode } from './node.js'
import type { Oracle } from './oracle.js'

export interface Finished {
  readonly coordinator: SimCoordinator
  readonly nodes: readonly SimNode[]
  readonly clients: Clients
  readonly oracle: Oracle
}

/** What still keeps a simulation from being at rest; empty: nothing does. */
export function unrest({ coordinator, nodes, clients, oracle }: Finished): readonly string[] {
  const { running } = coordinator
  if (running === null) return ['the coordinator is not open']
  const jobs = [...running.world.jobs.values()].map(
    ({ id, record }) => `job ${id} of ${record.site} is ${record.state}`,
  )
  const waiting = clients.isIdle ? [] : ['a client waits for an answer']
  const { sites } = running.world
  const behind = nodes.flatMap((node) => [
    ...unconnected(node),
    ...[...oracle.decided.values()].flatMap((decisions) => {
      const target = decisions.at(-1)
      const group = sites.get(target?.site ?? '')?.record.group
      if (target === undefined || group === undefined || !node.groups.includes(group)) return []
      return unserved(node, target).map((what) => `${what}; ${viewOf(running.world, node, target)}`)
    }),
  ])
  return [...waiting, ...jobs, ...behind]
}

function unconnected({ name, core }: SimNode): readonly string[] {
  if (core?.isConnected !== true) return [`${name} is not connected`]
  return core.reportsOwed > 0 ? [`${name} owes ${core.reportsOwed} reports`] : []
}

function unserved({ name, disk }: SimNode, { site, release, treeHash }: Target): readonly string[] {
  const { live, releases } = disk.site(site)
  const isThere = live === release && releases.get(release) === treeHash
  return isThere ? [] : [`${name} serves ${site}@${live}, not ${release}`]
}

/** Why the coordinator leaves a node that serves something else alone. */
function viewOf({ roster }: World, { id }: SimNode, { site, release }: Target): string {
  const known = roster.get(id)
  if (known === undefined) return 'the coordinator does not know it'
  if (known.holdings(site).live?.release === release) return 'the coordinator takes it to serve that'
  const told = known.task(site).underWay
  return told === null ? 'the coordinator asks nothing of it' : 'the coordinator waits for what it told it'
}

/** Checks all of them; what is broken goes to the oracle. */
export async function checkAtRest(finished: Finished): Promise<void> {
  const { coordinator, oracle } = finished
  const { running } = coordinator
  if (running === null) return
  const { store } = running
  const jobs = await store.jobs.list({ limit: 10_000 })
  const receipts = new Map<string, readonly Receipt[]>()
  for (const { id } of jobs) receipts.set(id, await store.receipts.list(id))
  checkReceipts(finished, receipts)
  await checkClients(finished, jobs, store)
  await checkHooks(finished, jobs, receipts, store)
  await checkReleases(finished, store)
  await checkCanaries(finished, store)
  checkBounds(finished)
  await checkAudit(oracle, store)
}

/** I2, I3: what was acknowledged is on record, and what is on record has happened. */
function checkReceipts({ oracle, nodes }: Finished, receipts: ReadonlyMap<string, readonly Receipt[]>): void {
  for (const { node, report } of oracle.acked) {
    const { jobId, number, kind, error } = report
    const kept = receipts.get(jobId)
    if (kept === undefined || (kind === 'failure' && error?.code === 'ENGINE_ERR_CANCELLED')) continue
    if (kept.some((each) => each.nodeId === node.id && each.number === number && each.kind === kind)) continue
    oracle.break(`I2: the acknowledged ${kind} of ${node.name} for ${jobId}:${number} is not on record`)
  }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  for (const receipt of [...receipts.values()].flat()) {
    const node = byId.get(receipt.nodeId)
    if (receipt.kind !== 'completion' || node === undefined || hasDone(node, receipt)) continue
    const { jobId, number, command, site, release } = receipt
    oracle.break(`I3: ${node.name} has not done ${command} of ${site}@${release} (${jobId}:${number})`)
  }
}

function hasDone({ disk }: SimNode, { command, site, release, treeHash, jobId, number }: Receipt): boolean {
  const key = `${jobId}:${number}`
  if (command === 'run-hook') return disk.checksRun.has(key) || disk.hooksRun.includes(key)
  const done = command === 'publish' ? disk.staged : disk.switches
  return done.some((each) => each.site === site && each.release === release && each.treeHash === treeHash)
}

/** No acknowledged request is lost, none is carried out twice, an abort that was answered is one. */
async function checkClients({ oracle, clients }: Finished, jobs: readonly JobRecord[], store: Store): Promise<void> {
  const all = await store.commands.listMany(jobs.map(({ id }) => id))
  for (const asked of clients.jobs) {
    const made = jobs.filter(({ reason }) => reason === asked.key)
    if (made.length > 1) oracle.break(`I6: ${asked.key} asked for one job and got ${made.length}`)
    const [job] = made
    if (asked.jobId === null) continue
    if (job === undefined) {
      oracle.break(`I2: the acknowledged job ${asked.jobId} is lost`)
      continue
    }
    const types = (all.get(job.id) ?? []).map(({ request }) => JSON.stringify(request))
    const why = isAsAsked(asked, types)
    if (why !== null) oracle.break(`I2, I6: job ${job.id}: ${why}; it has ${types.join(' ')}`)
    if (asked.isAbortAcked && job.state !== 'aborted') {
      oracle.break(`job ${job.id} was to be aborted, and that was acknowledged, but it is ${job.state}`)
    }
    if (job.policy.quorum !== asked.quorum) oracle.break(`job ${job.id} has another quorum than was asked for`)
  }
}

/** Every acknowledged request once, in its order; one that was not answered at most once. */
function isAsAsked({ added }: AskedJob, found: readonly string[]): string | null {
  let at = 0
  for (const { requests, isAcked } of added) {
    const wanted = requests.map((request) => JSON.stringify(withDirectory(request)))
    const isThere = wanted.every((each, index) => found[at + index] === each)
    if (isThere) at += wanted.length
    else if (isAcked) return `acknowledged commands are missing after ${at}: ${wanted.join(' ')}`
  }
  return at === found.length ? null : `it has ${found.length} commands, ${at} were asked for`
}

/** As the coordinator keeps it. */
const withDirectory = (request: AskedJob['added'][number]['requests'][number]): unknown =>
  request.type === 'publish' ? { ...request, directory: `/uploads/${request.upload}` } : request

/** I6: a hook command ran at most once on each node, in the order of its job, and not at all only with a reason. */
async function checkHooks(
  { oracle, nodes, coordinator }: Finished,
  jobs: readonly JobRecord[],
  receipts: ReadonlyMap<string, readonly Receipt[]>,
  store: Store,
): Promise<void> {
  const groupOf = (site: string): string => coordinator.running?.world.sites.get(site)?.record.group ?? ''
  for (const node of nodes) checkOrder(oracle, node)
  const ended = jobs.filter(({ state }) => state === 'succeeded' || state === 'partial')
  const ids = ended.map(({ id }) => id)
  const commands = await store.commands.listMany(ids)
  const parts = await store.jobNodes.listMany(ids)
  for (const job of ended) {
    const group = groupOf(job.site)
    const own = new Set(remainingOf(parts.get(job.id) ?? []).map(({ nodeId }) => nodeId))
    const audience = nodes.filter(({ id, groups }) => own.has(id) && groups.includes(group))
    const of = { job, audience, commands: commands.get(job.id) ?? [], receipts: receipts.get(job.id) ?? [] }
    if (job.state === 'succeeded') checkWords(oracle, of)
    checkCommands(oracle, of)
  }
}

/** A job that ended, the nodes that it was for, and what is on record of it. */
interface Ended {
  readonly job: JobRecord
  readonly audience: readonly SimNode[]
  readonly commands: readonly JobCommand[]
  readonly receipts: readonly Receipt[]
}

function checkCommands(oracle: Oracle, { job, audience, commands, receipts }: Ended): void {
  for (const { number, state, request } of commands) {
    if (isOpen(job, state)) oracle.break(`job ${job.id} is ${job.state}, but its command ${number} is ${state}`)
    if (request.type !== 'run-hook' || state === 'new') continue
    for (const node of audience) checkRan(oracle, node, { jobId: job.id, number }, receipts)
  }
}

const switches: ReadonlySet<string> = new Set(['commit', 'rollback'])

/** I3: what succeeded is live on every node by its own word. */
function checkWords(oracle: Oracle, { audience, commands, receipts }: Ended): void {
  const last = commands.filter(({ request: { type } }) => switches.has(type)).at(-1)?.number
  if (last === undefined) return
  const told = receipts.filter(({ number, kind }) => number === last && kind === 'completion')
  for (const { id, name } of audience) {
    if (told.some(({ nodeId }) => nodeId === id)) continue
    oracle.break(`I3: a job succeeded without a word of ${name} that its command ${last} is done`)
  }
}

/** A job that ended may have a command that failed, and none of those after it; nothing of it is under way. */
function isOpen(job: JobRecord, state: CommandState): boolean {
  return state === 'in-progress' || (state !== 'completed' && job.state === 'succeeded')
}

function checkOrder(oracle: Oracle, { name, disk }: SimNode): void {
  const seen = new Map<string, number>()
  for (const each of disk.hooksRun) {
    const [jobId = '', number = ''] = each.split(':')
    const last = seen.get(jobId) ?? 0
    if (Number(number) <= last) oracle.break(`I6: ${name} ran ${each} after ${jobId}:${last}`)
    seen.set(jobId, Number(number))
  }
}

function checkRan(
  oracle: Oracle,
  { id, name, disk }: SimNode,
  { jobId, number }: { readonly jobId: string; readonly number: number },
  receipts: readonly Receipt[],
): void {
  if (disk.hooksRun.includes(`${jobId}:${number}`)) return
  const said = receipts.filter((each) => each.nodeId === id && each.number === number)
  if (said.some(({ kind }) => kind === 'failure')) return
  oracle.break(`I6: ${name} never ran the hook of ${jobId}:${number}, and nothing says why`)
}

/** I8, I9: what stands on a node is what its number stands for, and nothing of what came to nothing. */
async function checkReleases({ oracle, nodes }: Finished, store: Store): Promise<void> {
  for (const node of nodes) {
    checkBooks(oracle, node)
    for (const [site, { releases }] of node.disk.sites) {
      for (const [release, treeHash] of releases) {
        const record = await store.releases.get(site, release)
        if (record?.treeHash !== treeHash) oracle.break(`I8: ${node.name} has other content under ${site}@${release}`)
        if (!oracle.isDecided(site, { release, treeHash })) {
          oracle.break(`I9: ${node.name} still has ${site}@${release} of ${record?.jobId}, which came to nothing`)
        }
      }
    }
  }
}

/** I4: what came to nothing is served by nobody who went first; who left the group keeps what it serves. */
async function checkCanaries({ oracle, nodes }: Finished, store: Store): Promise<void> {
  for (const { jobId, site, release, treeHash, names } of oracle.canaries.values()) {
    if (oracle.isDecided(site, { release, treeHash })) continue
    const own = new Set(remainingOf(await store.jobNodes.list(jobId)).map(({ nodeId }) => nodeId))
    for (const { id, name, disk } of nodes) {
      const { live, releases } = disk.site(site)
      if (live !== release || releases.get(release) !== treeHash) continue
      if (!names.includes(name) || own.has(id)) oracle.break(`I4: ${name} still serves ${site}@${release} of ${jobId}`)
    }
  }
}

/** I8: what a node says that it holds is there. */
function checkBooks(oracle: Oracle, { name, disk, ledger }: SimNode): void {
  for (const [site, { held }] of ledger?.state.sites ?? []) {
    for (const { release, treeHash } of held.values()) {
      if (disk.site(site).releases.get(release) === treeHash) continue
      oracle.break(`I8: ${name} says that it holds ${site}@${release}, which is not there`)
    }
  }
}

/** I9: nothing is left that only grows. */
function checkBounds({ oracle, nodes, coordinator }: Finished): void {
  const { running, disk } = coordinator
  if (running === null) return
  const { world } = running
  const counts: readonly (readonly [string, number, number])[] = [
    ['stale assignments', world.stale.length, STALE_ASSIGNMENTS_MAX],
    ['effects in the background', world.background.size, 0],
    ['open transfers', world.transfers.openIds.length, 0],
    ['messages in inboxes', world.roster.all.reduce((sum, known) => sum + known.inboxCount, 0), 0],
    ['assignments on disk', disk.files.size, 16 * Math.max(1, world.sites.size)],
    ...nodes.map((node) => [`reports of ${node.name}`, node.core?.reportsOwed ?? 0, REPORTS_KEPT_MAX] as const),
  ]
  for (const known of world.roster.all) {
    const waits = [...world.sites.keys()].filter((site) => known.task(site).underWay !== null)
    if (waits.length > 0)
      oracle.break(`I9: an answer of ${known.identity.name} about ${waits.join(', ')} is waited for`)
  }
  for (const [what, count, most] of counts) if (count > most) oracle.break(`I9: ${count} ${what}, ${most} at most`)
}

async function checkAudit(oracle: Oracle, store: Store): Promise<void> {
  let head = auditStart
  for (const { hash, ...record } of await store.audit.list(0, 100_000)) {
    if (record.seq !== head.seq + 1 || record.prevHash !== head.hash || auditHash(record) !== hash) {
      oracle.break(`the audit chain is broken at ${record.seq}`)
      return
    }
    head = { seq: record.seq, hash }
  }
}

/** Whether a node serves what it should, or what a job brings as one of its canaries. */
function servesDue(world: World, nodeId: string, live: ReleaseRef | null, target: ReleaseRef): boolean {
  if (live === null || live.release === target.release) return live !== null
  return [...world.jobs.values()].some(
    ({ release, record }) => release?.release === live.release && record.canary?.nodeIds.includes(nodeId) === true,
  )
}

/** I10, asked while faults go on: a node that does not serve what it should has a reason. */
export async function checkExplained({ coordinator, oracle }: Finished): Promise<void> {
  const { running } = coordinator
  if (running === null) return
  const { world, door, life } = running
  for (const { id, name, sites, groups, reason } of await door.nodes()) {
    if (!life.isAlive) return
    for (const { record } of world.sites.values()) {
      const { target, site, group } = record
      if (target === null || !groups.includes(group) || reason !== null) continue
      const live = sites.find((each) => each.site === site)?.live ?? null
      if (servesDue(world, id, live, target)) continue
      oracle.break(`I10: ${name} does not serve ${site}@${target.release}: no reason`)
    }
  }
}
