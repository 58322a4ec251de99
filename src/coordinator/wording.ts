import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import type { Signer } from '../base/signing.js'
import {
  WORD_BYTES_MAX,
  WORD_CARRIERS_MAX,
  WORD_COMMANDS_MAX,
  WORD_LISTS_KEPT,
  WORD_SERVERS_MAX,
} from '../base/word-limits.js'
import type { NodeLink } from '../control/door/channel.js'
import type { TellWord } from '../control/schema/channel.js'
import type { JobHappening } from '../jobs/job.js'
import { isFinal } from '../jobs/job.js'
import { type CommandRequest, remainingOf } from '../model/job.js'
import {
  serversDigest,
  signWord,
  type WordCommand,
  type WordDecided,
  type WordServer,
  type WordTarget,
} from '../model/word.js'
import type { NodeIdentity } from '../model/node.js'
import type { CommandPatch } from '../store/commands.js'
import type { Tables } from '../store/store.js'
import type { WordRecord } from '../store/words.js'
import { isEffect } from './executing.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** A step of a job, as far as words are about it. */
export interface WordedStep {
  readonly happening: JobHappening
  readonly commands: readonly CommandPatch[]
  readonly isLast: boolean
}

/** A word as it goes out on channels: its servers apart. */
interface ToldWord {
  readonly servers: WordServer[]
  readonly body: TellWord['word']
}

/** The nodes of a job in blocks of WORD_SERVERS_MAX. */
interface Members {
  readonly jobId: string
  readonly blocks: readonly (readonly string[])[]
  readonly blockOf: ReadonlyMap<string, number>
}

/** By their first node's id: blocks of one word, each good as long as its nodes are where they were. */
interface SignedBlocks {
  readonly record: WordRecord
  readonly blocks: Map<string, { readonly identities: readonly NodeIdentity[]; readonly word: ToldWord }>
}

/** A command that a step decides, as it goes into a word. */
interface Decided {
  readonly number: number
  readonly as: WordDecided
}

/** What a step decides; null: nothing that is for all nodes. Pure. */
function decidedBy(job: LiveJob, { happening, commands, isLast }: WordedStep): Decided | null {
  const patch = commands.find(({ state }) => (isLast ? state !== 'new' : state === 'in-progress'))
  const command = job.commands.find((each) => each.number === (patch?.number ?? job.next?.number))
  if (command === undefined) return null
  const { number, request } = command
  if (happening.type === 'decided') return switchBy(job, number, request)
  if (patch === undefined) return null
  const isMeant = isLast ? request.type === 'end-job' : happening.type === 'executing' && isEffect(request)
  return isMeant && (request.type === 'end-job' || isEffect(request)) ? { number, as: request } : null
}

function switchBy({ release }: LiveJob, number: number, { type }: CommandRequest): Decided | null {
  if (release === null || (type !== 'commit' && type !== 'rollback')) return null
  return { number, as: { type, ...release } }
}

/** What a site is to serve after a decision. Pure. */
function targetAfter(
  before: WordTarget | null,
  jobId: string,
  decided: Decided | null,
  revision: number,
): WordTarget | null {
  if (decided === null || (decided.as.type !== 'commit' && decided.as.type !== 'rollback')) return before
  const { type: command, release, treeHash } = decided.as
  return { release, treeHash, command, jobId, number: decided.number, revision }
}

/** Whether a step is told of that decides nothing. Pure. @param isKnown the newest word is of this job. */
function isTold({ happening, isLast }: WordedStep, isKnown: boolean): boolean {
  // A job that begins is told of too: its nodes are to know one another when they need to.
  if (happening.type === 'packing') return true
  // One that ends before it began says nothing, and takes no word of another job's place.
  return isLast && isKnown
}

/** The word that follows from a step; null: it says nothing that others are to know. Pure. */
function wordAfter(before: WordRecord | null, job: LiveJob, step: WordedStep): WordRecord | null {
  const { happening, isLast } = step
  const decided = decidedBy(job, step)
  if (decided === null && !isTold(step, before?.jobId === job.id)) return null
  const last = before ?? { revision: 0, jobId: null, commands: [], target: null }
  const revision = last.revision + 1
  const added: WordCommand[] = decided === null ? [] : [{ number: decided.number, revision, command: decided.as }]
  // Of a job that came to nothing no node is asked for more.
  const isVain = happening.type === 'failed' || happening.type === 'aborted'
  const told = isVain ? [] : [...(last.jobId === job.id ? last.commands : []), ...added]
  const { site } = job.record
  const target = targetAfter(last.target, job.id, decided, revision)
  return { site, revision, jobId: job.id, commands: fitting(told.slice(-WORD_COMMANDS_MAX)), target, ended: isLast }
}

/** The newest commands that fit into a word with its servers. */
function fitting(commands: readonly WordCommand[]): readonly WordCommand[] {
  let sizeBytes = WORD_BYTES_MAX / 2
  const from = commands.findLastIndex((command) => {
    sizeBytes -= Buffer.byteLength(JSON.stringify(command))
    return sizeBytes < 0
  })
  return commands.slice(from + 1)
}

/** What was decided for sites, made into words: durable with the decision, told with the orders that follow from it. */
export class Wording {
  readonly #world: () => World
  readonly #signer: Signer
  readonly #newest = new Map<string, WordRecord>()
  /** By site: the nodes of the newest job. */
  readonly #members = new Map<string, Members>()
  /** By job, while they are read: all that come at once wait for one reading. */
  readonly #reading = new Map<string, Promise<Members>>()
  /** By site: the newest word as it was signed, a block each: a thousand nodes that come are given one signature. */
  readonly #signed = new Map<string, SignedBlocks>()
  /** By connection: digests of the lists that it has brought and its node still knows, those used last at the end. */
  readonly #listsTold = new WeakMap<NodeLink, Set<string>>()
  #url: string | null = null

  constructor(world: () => World, signer: Signer) {
    this.#world = world
    this.#signer = signer
  }

  /** From here on words say where the coordinator is. */
  openAt(url: string): void {
    this.#url = url
  }

  /** Reads what an earlier life decided. */
  async recover(): Promise<void> {
    for (const record of await this.#world().store.words.list()) this.#newest.set(record.site, record)
  }

  /**
   * Writes what a step of a job decides, in the transaction that writes the step.
   * @returns to be called once that is durable.
   */
  async write(tables: Tables, job: LiveJob, step: WordedStep): Promise<() => void> {
    // Read here, where nobody writes in between: two jobs of a site may take a step at once.
    const record = wordAfter(await tables.words.get(job.record.site), job, step)
    if (record === null) return () => {}
    await tables.words.put(record)
    return () => {
      const { revision = 0 } = this.#newest.get(record.site) ?? {}
      if (record.revision > revision) this.#newest.set(record.site, record)
    }
  }

  /** With which revision a command was decided, as orders say it. */
  revisionOf(site: string, jobId: string, number: number): { readonly revision?: number } {
    const record = this.#newest.get(site)
    const { target = null, commands = [] } = record ?? {}
    if (target?.jobId === jobId && target.number === number) return { revision: target.revision }
    const command = record?.jobId === jobId ? commands.find((each) => each.number === number) : undefined
    return command === undefined ? {} : { revision: command.revision }
  }

  /**
   * Gives the newest word of a job to those of its nodes that are connected, and a few of them the others to approach.
   * Orders go first: words follow what is urgent.
   */
  tell(job: LiveJob): void {
    const world = this.#world()
    const record = this.#newest.get(job.record.site)
    if (record?.jobId !== job.id || world.closing.aborted) return
    const members = membersOf(
      job.id,
      job.remaining.map(({ nodeId }) => nodeId),
    )
    this.#members.set(record.site, members)
    for (const nodeIds of members.blocks) this.#tellBlock(record, this.#known(nodeIds))
  }

  /** Gives a node that has come the newest words of what it serves. */
  async welcome(known: KnownNode, sites: readonly string[]): Promise<void> {
    for (const site of sites) {
      const record = this.#newest.get(site)
      if (record === undefined) continue
      const { blocks, blockOf } = await this.#membersOf(record)
      // Who takes no part learns whom to ask.
      const own = blocks[blockOf.get(known.identity.id) ?? 0] ?? []
      if (known.link !== null) this.#give(known.link, this.#wordFor(record, this.#known(own)), [])
    }
  }

  #known(nodeIds: readonly string[]): readonly KnownNode[] {
    return nodeIds.flatMap((nodeId) => this.#world().roster.get(nodeId) ?? [])
  }

  #tellBlock(record: WordRecord, nodes: readonly KnownNode[]): void {
    const { log, metrics }: { log: Logger; metrics: Metrics } = this.#world()
    const word = this.#wordFor(record, nodes)
    const away = nodes.flatMap((known, index) => (known.link === null ? [index] : []))
    const there = nodes.filter((known) => known.link !== null)
    const carriers = Math.min(WORD_CARRIERS_MAX, there.length)
    there.forEach(({ link }, place) => {
      if (link === null) return
      const indexes = place < carriers ? away.filter((_, at) => at % carriers === place) : []
      this.#give(link, word, indexes)
    })
    const carried = carriers === 0 ? 0 : away.length
    metrics.add('engine_words_total', { way: 'told' }, there.length)
    metrics.add('engine_words_total', { way: 'carried' }, carried)
    const { site, revision, jobId } = record
    log.debug({ site, revision, jobId, told: there.length, carried }, 'a word was told')
  }

  #wordFor(record: WordRecord, nodes: readonly KnownNode[]): ToldWord {
    const { site } = record
    const kept = this.#signed.get(site)
    const signed: SignedBlocks = kept?.record === record ? kept : { record, blocks: new Map() }
    this.#signed.set(site, signed)
    const key = nodes[0]?.identity.id ?? ''
    const found = signed.blocks.get(key)
    const identities = nodes.map(({ identity }) => identity)
    const isSame = found?.identities.length === identities.length
    if (isSame && found.identities.every((each, at) => each === identities[at])) return found.word
    const word = this.#sign(record, identities)
    signed.blocks.set(key, { identities, word })
    return word
  }

  #sign({ site, revision, jobId, commands, target, ended }: WordRecord, nodes: readonly NodeIdentity[]): ToldWord {
    const { coordinatorId } = this.#world()
    const servers: readonly WordServer[] = nodes.map(({ id: nodeId, name, dataAddress: { host, port } }) => {
      return { nodeId, name, host, port }
    })
    const said = { coordinatorId, coordinatorUrl: this.#url, site, jobId, revision, commands, target, ended }
    const { signature } = signWord({ ...said, servers }, this.#signer)
    const digest = serversDigest(servers)
    return { servers: [...servers], body: { ...said, commands: [...commands], signature, serversDigest: digest } }
  }

  #give(link: NodeLink, { servers, body }: ToldWord, indexes: number[]): void {
    const told = this.#listsTold.get(link) ?? new Set()
    this.#listsTold.set(link, told)
    const isKnown = told.delete(body.serversDigest)
    told.add(body.serversDigest)
    const [oldest] = told
    if (told.size > WORD_LISTS_KEPT && oldest !== undefined) told.delete(oldest)
    link.send({ type: 'word', word: body, servers: isKnown ? null : servers, indexes })
  }

  async #membersOf({ site, jobId }: WordRecord): Promise<Members> {
    const known = this.#members.get(site)
    if (known?.jobId === jobId) return known
    const reading = this.#reading.get(jobId) ?? this.#readMembers(jobId)
    this.#reading.set(jobId, reading)
    try {
      const members = await reading
      const { jobId: newest } = this.#newest.get(site) ?? {}
      if (newest === jobId && this.#members.get(site)?.jobId !== jobId) this.#members.set(site, members)
      return members
    } finally {
      this.#reading.delete(jobId)
    }
  }

  async #readMembers(jobId: string): Promise<Members> {
    const nodes = remainingOf(await this.#world().store.jobNodes.list(jobId))
    return membersOf(
      jobId,
      nodes.map(({ nodeId }) => nodeId),
    )
  }
}

function membersOf(jobId: string, nodeIds: readonly string[]): Members {
  const blocks = blocksOf(nodeIds)
  const blockOf = new Map(blocks.flatMap((block, at) => block.map((nodeId) => [nodeId, at] as const)))
  return { jobId, blocks, blockOf }
}

function blocksOf(nodeIds: readonly string[]): (readonly string[])[] {
  const blocks: (readonly string[])[] = []
  for (let first = 0; first < nodeIds.length; first += WORD_SERVERS_MAX) {
    blocks.push(nodeIds.slice(first, first + WORD_SERVERS_MAX))
  }
  return blocks
}

/** What a step of a job is to words. Pure. */
export const wordedStep = (
  happening: JobHappening,
  commands: readonly CommandPatch[],
  state: LiveJob['record']['state'],
): WordedStep => ({
  happening,
  commands,
  isLast: isFinal(state),
})
