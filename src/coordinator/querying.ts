import { QUERY_ANSWER_MS } from '../base/ending-limits.js'
import { EngineError } from '../base/errors.js'
import type { State } from '../control/schema/channel.js'
import type { NodeAnswer, NodeCommandView, NodeStateView } from '../model/node-state.js'
import { commandsOnNodes } from '../track/commands.js'
import type { LiveJob } from './live-job.js'
import type { NodePart } from '../track/fold.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

interface Waiting {
  readonly nodeId: string
  readonly resolve: (answer: NodeAnswer) => void
  readonly reject: (error: EngineError) => void
}

/** Queries to nodes that were not answered yet. */
export class Queries {
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  /** Notes a query; gives its id and what will come of it. */
  open(nodeId: string): { readonly queryId: string; readonly answer: Promise<NodeAnswer> } {
    this.#count += 1
    const queryId = String(this.#count)
    const answer = new Promise<NodeAnswer>((resolve, reject) => {
      this.#waiting.set(queryId, { nodeId, resolve, reject })
    })
    return { queryId, answer }
  }

  /** A node answered; what another node was asked is not its to answer. */
  answer(nodeId: string, { queryId, commands, sites }: State): void {
    const waiting = this.#waiting.get(queryId)
    if (waiting?.nodeId !== nodeId) return
    this.#waiting.delete(queryId)
    waiting.resolve({ commands, sites })
  }

  /** A node's connection is gone: it will not answer. */
  lost(nodeId: string, name: string): void {
    for (const [queryId, waiting] of this.#waiting) {
      if (waiting.nodeId === nodeId) this.fail(queryId, new EngineError('ENGINE_ERR_NODE_LOST', { name }))
    }
  }

  /** Nobody waits for it any longer. */
  fail(queryId: string, error: EngineError): void {
    this.#waiting.get(queryId)?.reject(error)
    this.#waiting.delete(queryId)
  }
}

/**
 * Asks one node where its commands stand.
 * @throws {EngineError} ENGINE_ERR_NODE_LOST when it is not connected or goes; ENGINE_ERR_NODE_SILENT when it has not
 * answered within QUERY_ANSWER_MS; ENGINE_ERR_CLOSING.
 */
export async function askState(world: World, known: KnownNode): Promise<NodeAnswer> {
  const { id, name } = known.identity
  if (known.link === null) throw new EngineError('ENGINE_ERR_NODE_LOST', { name })
  const { queryId, answer } = world.queries.open(id)
  const onClosing = (): void => world.queries.fail(queryId, new EngineError('ENGINE_ERR_CLOSING'))
  const cancel = world.clock.setTimer(QUERY_ANSWER_MS, () => {
    world.queries.fail(queryId, new EngineError('ENGINE_ERR_NODE_SILENT', { name, ms: QUERY_ANSWER_MS }))
  })
  world.closing.addEventListener('abort', onClosing, { once: true })
  try {
    known.link.send({ type: 'query', queryId })
    if (world.closing.aborted) onClosing()
    return await answer
  } finally {
    cancel()
    world.closing.removeEventListener('abort', onClosing)
  }
}

/**
 * Asks a node, and puts what it says beside the jobs that run.
 * @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, and as `askState`.
 */
export async function queryNode(world: World, name: string): Promise<NodeStateView> {
  const known = world.roster.all.find(({ identity }) => identity.name === name)
  if (known === undefined) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: name })
  const nodeId = known.identity.id
  const sinceMs = world.clock.monotonicMs()
  const answer = await askState(world, known)
  const tookMs = Math.round(world.clock.monotonicMs() - sinceMs)
  const commands: NodeCommandView[] = []
  for (const job of world.jobs.values()) {
    const part = job.part(nodeId)
    if (part !== undefined) commands.push(...(await commandsOn(world, job, part, answer)))
  }
  return { nodeId, name, atMs: world.clock.nowMs(), tookMs, commands, sites: answer.sites }
}

/** What the node says of a command counts; of one that it does not name, what is on record. */
async function commandsOn(
  world: World,
  job: LiveJob,
  part: NodePart,
  answer: NodeAnswer,
): Promise<readonly NodeCommandView[]> {
  const { nodeId } = part
  const receipts = await world.store.receipts.list(job.id, { nodeId })
  const alone = { commands: job.commands, nodes: [part] }
  return job.commands.map((command) => {
    const { number, request } = command
    const said = answer.commands.find((each) => each.jobId === job.id && each.number === number)
    const [recorded] = commandsOnNodes(alone, command, receipts)
    const state = said?.state ?? recorded?.state ?? 'new'
    const bytesHave = said?.bytesHave ?? 0
    const via = said?.via === undefined ? {} : { via: said.via }
    return { jobId: job.id, site: job.record.site, number, type: request.type, state, bytesHave, ...via }
  })
}
