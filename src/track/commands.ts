import { lastOfRun } from '../model/edit.js'
import {
  bringsNew,
  type CommandOnNode,
  type CommandState,
  type JobCommand,
  type JobError,
  type JobNode,
  type JobView,
  type Receipt,
  remainingOf,
} from '../model/job.js'

/** What was reported of one command by one node. */
interface Said {
  readonly kind: Receipt['kind']
  readonly error: JobError | null
}

/** Where a node stands with a command by what is on record of it. */
interface Recorded {
  readonly state: CommandState
  readonly reason: string | null
}

/** Done is done, whatever failed before. Pure. */
function partOf(receipts: readonly Said[]): Recorded {
  if (receipts.some(({ kind }) => kind === 'completion')) return { state: 'completed', reason: null }
  const failed = receipts.find(({ kind }) => kind === 'failure')
  if (failed !== undefined) return { state: 'failed', reason: failed.error?.message ?? null }
  return { state: receipts.length > 0 ? 'in-progress' : 'new', reason: null }
}

/** Where each node stands with a command by what is on record, of thousands of them at once. Pure. */
export function partsIn(receipts: readonly Receipt[], number: number): (nodeId: string) => Recorded {
  const said = byNode(receipts.filter((each) => each.number === number))
  return (nodeId) => partOf(said.get(nodeId) ?? [])
}

function byNode(receipts: readonly Receipt[]): ReadonlyMap<string, readonly Receipt[]> {
  const found = new Map<string, Receipt[]>()
  for (const each of receipts) {
    const own = found.get(each.nodeId)
    if (own === undefined) found.set(each.nodeId, [each])
    else own.push(each)
  }
  return found
}

/** Where every node of a job stands with one of its commands, by name. Pure. */
export function commandsOnNodes(
  job: Pick<JobView, 'nodes' | 'commands'>,
  command: JobCommand,
  receipts: readonly Receipt[],
): readonly CommandOnNode[] {
  const last = lastOfRun(job.commands, command)
  const isLatest = !job.commands.some(
    ({ number, request, state }) => number > last && bringsNew(request) && state !== 'new',
  )
  const all = byNode(receipts.filter((each) => answers(each, command, last)))
  return remainingOf(job.nodes).map((node) => {
    const said = all.get(node.nodeId) ?? []
    const recorded = partOf(said)
    const { state, reason } = recorded.state === 'completed' || !isLatest ? recorded : furthest(recorded, node, command)
    return { nodeId: node.nodeId, name: node.name, state, reason, output: said.at(-1)?.output ?? null }
  })
}

/** A rollback may have a release staged too: that is told under its number, and is not what was asked. */
function answers({ number, command: type }: Receipt, { number: asked, request }: JobCommand, last: number): boolean {
  if (!bringsNew(request)) return number === asked && type === request.type
  // A release of edits is told under the number of one of them: the last that was asked for by then.
  return number >= asked && number <= last && type === 'publish'
}

/** A release that a node holds already is fetched by nobody: its part in the job says more than receipts. */
function furthest(recorded: Recorded, { state, reason }: JobNode, { request, state: ofJob }: JobCommand): Recorded {
  if (request.type === 'end-job') return { state: ofJob, reason: null }
  if (!bringsNew(request) && request.type !== 'commit' && request.type !== 'rollback') return recorded
  if (state === 'live') return { state: 'completed', reason: null }
  if (state === 'behind') return { state: recorded.state, reason }
  if (!bringsNew(request) || ofJob === 'new') return recorded
  if (state === 'staged') return { state: 'completed', reason: null }
  if (state === 'receiving' || state === 'received') return { state: 'in-progress', reason: null }
  return recorded
}
