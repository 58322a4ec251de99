// One seed from its topology to its verdict.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Random, seededRandom } from '../../src/base/random.js'
import { Store } from '../../src/store/store.js'
import { type Bug, noBug } from './bugs.js'
import { Clients } from './clients.js'
import { Life, Timeline } from './clock.js'
import { SimCoordinator } from './coordinator.js'
import type { Target } from './database.js'
import { Faults } from './faults.js'
import { checkAtRest, checkExplained, type Finished, unrest } from './invariants.js'
import { Network, type Side, type Way } from './network.js'
import { SimNode } from './node.js'
import { Oracle } from './oracle.js'

export interface SeedOptions {
  readonly seed: number
  /** How many; absent: drawn from the seed, 3 to 24. */
  readonly nodeCount?: number | undefined
  readonly bug?: Bug
  /** Whether some jobs let some nodes go first; absent: they do. */
  readonly canaries?: boolean
}

export interface Verdict {
  readonly seed: number
  readonly broken: readonly string[]
  /** The last of what happened. */
  readonly story: readonly string[]
  readonly nodeCount: number
  readonly events: number
  readonly virtualMs: number
  readonly jobs: number
  readonly decisions: number
  /** Releases that some nodes served before they were decided, or not. */
  readonly canaries: number
  readonly crashes: number
}

const STORY_LINES = 60
/** Faults go on for so long, half of it at least. */
const FAULTS_MS = 40_000
/** After faults have ended everybody is where it should be within this. */
const CONVERGENCE_MS = 400_000
/** What is left over is gone this long after that: a node looks at its links every minute. */
const TIDYING_MS = 90_000

/** Memory where there is any: what a crash of the process loses is what was not committed, not what was not synced. */
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'simulation-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

let template: Promise<string> | null = null

async function emptyDatabase(path: string): Promise<void> {
  template ??= (async () => {
    const made = join(scratch, 'template.db')
    await (await Store.open(made)).close()
    return made
  })()
  copyFileSync(await template, path)
}

class Simulation {
  readonly time = new Timeline()
  readonly random: Random
  readonly oracle = new Oracle(() => this.time.nowMs)
  readonly nodes: SimNode[] = []
  readonly network: Network
  readonly coordinator: SimCoordinator
  readonly clients: Clients
  readonly faults: Faults
  readonly sites = new Map<string, string>()
  readonly #byWay = new Map<Way, SimNode>()
  readonly #bug: Bug
  readonly #path: string
  readonly #story: string[] = []

  constructor({ seed, nodeCount, bug = noBug, canaries = true }: SeedOptions, path: string) {
    const random = seededRandom(Math.imul(seed, 2_654_435_761))
    this.random = random
    this.#bug = bug
    this.#path = path
    const { time } = this
    const note = (text: string): void => this.#note(text)
    const network = new Network({
      time,
      random,
      accept: (socket, remote) => this.coordinator.accept(socket, remote),
      onSend: (side, way) => this.#lifeOf(side, way)?.step('a message'),
      onMessage: (side, way, text) => this.#onMessage(side, way, text),
    })
    this.network = network
    const groups = ['g0', 'g1', 'g2'].slice(0, 1 + random.below(3))
    const siteCount = 1 + random.below(4)
    for (let i = 0; i < siteCount; i++) this.sites.set(`site${i}`, groups[i % groups.length] ?? 'g0')
    this.coordinator = new SimCoordinator({
      ...{ time, random, path, note },
      network: () => network,
      onDecision: (targets) => this.#onDecision(targets),
      onCanaries: (all) => this.oracle.noteCanaries(all),
      mutate: (world) => bug.coordinator?.(world, this.#bugContext()),
    })
    for (let i = 0; i < (nodeCount ?? 3 + random.below(22)); i++) this.nodes.push(this.#nodeOf(`n${i}`, groups))
    const onBroken = (what: string): void => this.oracle.break(what)
    const clock = new Life('the clients', time, () => {})
    const { coordinator, nodes, sites } = this
    this.clients = new Clients({
      ...{ coordinator, clock, random, sites, note, onBroken },
      canaries: canaries ? seededRandom(Math.imul(seed, 1_540_483_477)) : null,
    })
    this.faults = new Faults({ time, random, network, coordinator, nodes, groups, note })
  }

  async run(): Promise<void> {
    const { time, random, coordinator, nodes, clients, faults } = this
    await emptyDatabase(this.#path)
    coordinator.start()
    for (const node of nodes) time.after(random.below(2000), () => node.start())
    const endMs = Math.round(FAULTS_MS * (0.5 + random.next() / 2))
    const names = [...this.sites.keys()]
    for (let i = 0; i < 2 + random.below(nodes.length > 50 ? 4 : 9); i++) {
      time.after(500 + random.below(endMs - 1000), () => clients.begin(names[random.below(names.length)] ?? ''))
    }
    time.after(3000, () => faults.start(300 + random.below(4000)))
    for (const twice of nodes) if (random.next() < 0.3) twice.way.twice = 0.2
    while (time.nowMs < endMs && this.oracle.broken.length === 0) {
      await time.runUntil(Math.min(endMs, time.nowMs + 5000))
      await checkExplained(this.#finished)
    }
    this.#note('quiet')
    faults.end()
    await this.#rest()
  }

  async #rest(): Promise<void> {
    const { time, oracle } = this
    const untilMs = time.nowMs + CONVERGENCE_MS
    let left: readonly string[] = []
    while (time.nowMs < untilMs && oracle.broken.length === 0) {
      this.clients.finishAll()
      await time.runUntil(time.nowMs + 2000)
      left = unrest(this.#finished)
      if (left.length === 0) break
    }
    for (const each of left.slice(0, 5)) oracle.break(`I4: ${each} after ${CONVERGENCE_MS / 1000} s without faults`)
    // What ends with a job goes a little later.
    for (let waitedMs = 0; waitedMs < TIDYING_MS && oracle.broken.length === 0; waitedMs += TIDYING_MS / 6) {
      await time.runUntil(time.nowMs + TIDYING_MS / 6)
      if (await this.#isTidy()) return
    }
    if (oracle.broken.length === 0) await checkAtRest(this.#finished)
  }

  /** Whether all is as it must be in the end; what is not may come to be. */
  async #isTidy(): Promise<boolean> {
    const { oracle } = this
    if (oracle.broken.length > 0) return false
    await checkAtRest(this.#finished)
    return oracle.broken.splice(0).length === 0
  }

  async close(): Promise<void> {
    await this.coordinator.stop()
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#path + suffix, { force: true })
  }

  verdict(seed: number): Verdict {
    const { oracle, time, nodes, clients, coordinator } = this
    const decisions = [...oracle.decided.values()].reduce((sum, all) => sum + all.length, 0)
    const canaries = oracle.canaries.size
    const counts = { events: time.count, virtualMs: time.nowMs, jobs: clients.jobs.length, decisions, canaries }
    const { crashes } = coordinator
    return { seed, broken: oracle.broken, story: this.#story, nodeCount: nodes.length, ...counts, crashes }
  }

  get #finished(): Finished {
    return this
  }

  #bugContext(): Parameters<NonNullable<Bug['coordinator']>>[1] {
    return { crashes: this.coordinator.crashes, random: this.random }
  }

  #note(text: string): void {
    this.#story.push(`${String(this.time.nowMs).padStart(7)} ${text}`)
    if (this.#story.length > STORY_LINES) this.#story.shift()
  }

  #nodeOf(name: string, groups: readonly string[]): SimNode {
    const { time, random, network } = this
    const { disk } = this.coordinator
    const own = groups.filter((_, index) => index === 0 || random.next() < 0.7)
    const node: SimNode = new SimNode({
      ...{ name, time, random, groups: own, streams: disk.streams },
      network: () => network,
      note: (text) => this.#note(text),
      mutateJournal: (records) => this.#bug.journal?.(records) ?? records,
    })
    this.#byWay.set(node.way, node)
    node.disk.isEarly = this.#bug.isJournalEarly === true
    node.disk.onSwitch = ({ site, release, treeHash }) => {
      this.#note(`${name} serves ${site}@${release}`)
      this.oracle.switched(name, site, { release, treeHash })
    }
    return node
  }

  #lifeOf(side: Side, way: Way): Life | null {
    if (side === 'coordinator') return this.coordinator.life
    return this.#byWay.get(way)?.life ?? null
  }

  #onMessage(side: Side, way: Way, text: string): string {
    const node = this.#byWay.get(way)
    if (node === undefined) return text
    if (side === 'coordinator') return this.#bug.fromNode?.(text, node) ?? text
    if (text.startsWith('{"type":"ack"')) {
      const { reportId } = JSON.parse(text) as { readonly reportId: number }
      const report = node.ledger?.state.unacked.get(reportId)
      if (report !== undefined) this.oracle.acked.push({ node, report })
    }
    return text
  }

  /** Those who went first, and are still of the job, are well with what all are to follow to. */
  #checkCanaries(
    { site, release, treeHash, jobId }: Omit<Target, 'command' | 'parts'>,
    parts: readonly string[],
  ): void {
    const names = this.oracle.canaries.get(`${jobId} ${release}`)?.names ?? []
    for (const node of this.nodes.filter(({ id, name }) => names.includes(name) && parts.includes(id))) {
      if (node.isSick(treeHash))
        this.oracle.break(`${site}@${release} was decided, but its canary ${node.name} is sick`)
    }
  }

  /** Enough nodes hold what is decided on, as their disks have it. */
  #onDecision(targets: readonly Target[]): void {
    for (const { site, release, treeHash, jobId, command, parts } of this.oracle.note(targets)) {
      this.#note(`decided: ${site}@${release} by ${jobId}`)
      this.#checkCanaries({ site, release, treeHash, jobId }, parts)
      const asked = this.clients.jobs.find((each) => each.jobId === jobId)
      if (command !== 'commit' || asked === undefined) continue
      const ready = this.nodes.filter(({ disk }) => disk.site(site).releases.get(release) === treeHash)
      const count = ready.filter(({ id }) => parts.includes(id)).length
      if (count < Math.max(1, Math.ceil(parts.length * asked.quorum - 1e-9))) {
        this.oracle.break(`${site}@${release} was decided with ${count} of ${parts.length}, quorum ${asked.quorum}`)
      }
    }
  }
}

let count = 0

/** Runs one seed. The same seed runs the same way. */
export async function runSeed(options: SeedOptions): Promise<Verdict> {
  count += 1
  const simulation = new Simulation(options, join(scratch, `${count}.db`))
  const undo = options.bug?.install?.()
  try {
    await simulation.run()
    return simulation.verdict(options.seed)
  } finally {
    undo?.()
    await simulation.close()
  }
}
