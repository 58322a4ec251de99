// One real node, life after life, over a disk that outlives them.
import { createHash } from 'node:crypto'
import { EngineError, type ErrorCode } from '../../src/base/errors.js'
import { silentLogger } from '../../src/base/log.js'
import type { Random } from '../../src/base/random.js'
import { Signer } from '../../src/base/signing.js'
import { HEALTH_HOOK, type Hook } from '../../src/model/hook.js'
import type { SessionStatus } from '../../src/native/relay.js'
import type { ApplyResult } from '../../src/native/sites.js'
import { NodeCore } from '../../src/node/core.js'
import type { Execution as Ordered, Executed, Executor } from '../../src/node/executing.js'
import { Hooks } from '../../src/node/hooks.js'
import { Ledger } from '../../src/node/ledger.js'
import type { WordFiles } from '../../src/node/words/files.js'
import { NodePaths } from '../../src/node/paths.js'
import { Releases } from '../../src/node/releases.js'
import type { DataPlane, Execution } from '../../src/node/staging.js'
import { Life, type Timeline } from './clock.js'
import type { CoordinatorDisk } from './content.js'
import { baseHash, type DiskAccess, NodeDisk, putRelease, SimJournal, siteDisk, switchLink } from './disk.js'
import type { Network, Way } from './network.js'

export interface SimNodeOptions {
  readonly name: string
  readonly groups: readonly string[]
  readonly time: Timeline
  readonly random: Random
  readonly network: () => Network
  readonly streams: CoordinatorDisk['streams']
  readonly note: (text: string) => void
  /** Changes what a life finds in its journal. */
  readonly mutateJournal: (records: string[]) => string[]
}

/** How what is fetched may end badly. */
const faults: readonly ErrorCode[] = ['ENGINE_ERR_DIGEST_MISMATCH', 'ENGINE_ERR_ASSIGNMENT_CORRUPT', 'ENGINE_ERR_IO']

const hook: Hook = {
  ...{ name: 'work', on: null, sites: null, arguments: [], repeatable: false },
  ...{ command: ['work'], cwd: null, env: [], timeoutMs: 60_000 },
}

const nobodyLooks = (): never => {
  throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'nobody looks at files here' })
}
const blind = {
  ...{ lookAt: nobodyLooks, listAt: nobodyLooks, openAt: nobodyLooks, publishedAt: nobodyLooks },
  ...{ readLive: nobodyLooks, listReleases: nobodyLooks },
}

/** Of the nodes, that a release does not do well on. */
const SICK_SHARE = 0.25

type CommandRef = Pick<Ordered, 'jobId' | 'number' | 'site'>
type Applying = Parameters<DataPlane['apply']>[0]

export class SimNode {
  readonly id: string
  readonly name: string
  readonly disk = new NodeDisk()
  readonly way: Way
  readonly signer: Signer
  groups: readonly string[]
  /** Longest time that a release takes to come. */
  fetchMs = 400
  /** Share of fetches that fail. */
  faulty = 0
  readonly #options: SimNodeOptions
  #life: Life | null = null
  readonly #words = new Map<string, string>()
  readonly #wordFiles: WordFiles = {
    readAll: async () => this.#words,
    write: async (site, text) => void this.#words.set(site, text),
  }
  #core: NodeCore | null = null
  #ledger: Ledger | null = null
  #isWanted = false

  constructor(options: SimNodeOptions) {
    this.#options = options
    this.name = options.name
    this.groups = options.groups
    const digest = createHash('sha256').update(options.name).digest()
    this.id = digest.subarray(0, 16).toString('hex')
    this.signer = new Signer(digest)
    this.way = { delayMs: 1 + options.random.below(30), isMuted: { node: false, coordinator: false }, twice: 0 }
  }

  get life(): Life | null {
    return this.#life?.isAlive === true ? this.#life : null
  }

  get core(): NodeCore | null {
    return this.#core
  }

  get ledger(): Ledger | null {
    return this.#ledger
  }

  /** Starts it, and again after each crash, until it is left off. */
  start(): void {
    this.#isWanted = true
    if (this.life === null) void this.#open()
  }

  #crashed(why: string): void {
    const { time, random, network, note } = this.#options
    note(`${this.name} crashes: ${why}`)
    this.#core = null
    this.#ledger = null
    network().die(random.next() < 0.5, this.way)
    if (this.#isWanted) time.after(20 + random.below(8000), () => void this.#open())
  }

  async #open(): Promise<void> {
    if (!this.#isWanted || this.life !== null) return
    const life = new Life(this.name, this.#options.time, (why) => this.#crashed(why))
    this.#life = life
    try {
      await this.#begin(life)
    } catch (error) {
      if (life.isAlive) life.crash(`it cannot open: ${String(error)}`)
    }
  }

  async #begin(life: Life): Promise<void> {
    const { random, network, mutateJournal } = this.#options
    const { name, disk, id, way } = this
    const access: DiskAccess = { disk, life, random }
    const paths = new NodePaths(`/nodes/${name}`)
    const log = silentLogger
    disk.journal = mutateJournal(disk.journal)
    const ledger = await Ledger.open({
      path: paths.journal,
      log,
      clock: life,
      openJournal: () => SimJournal.open(access),
    })
    const releases = new Releases({ paths, ledger, clock: life, log, disk: siteDisk(access) })
    await releases.recover()
    const hooks = new Hooks({ hooks: [hook], environment: {}, paths, nodeName: name, clock: life, log })
    const core = new NodeCore({
      ...{
        paths,
        ledger,
        releases,
        hooks,
        clock: life,
        random,
        log,
        signer: this.signer,
        join: 'http://coordinator:7400',
      },
      identity: { id, name, groups: this.groups, segment: 'lan' },
      executors: { 'run-hook': this.#hookOf(life) },
      dataAddress: () => ({ host: '10.0.0.2', port: 7401 }),
      software: 'simulation',
      plane: this.#planeOf(access),
      switchLive: (directory, release) => switchLink(access, directory, release),
      read: () => {
        throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'nothing is verified here' })
      },
      verify: { everyMs: null, rateBps: 1_000_000 },
      eyes: blind,
      wordFiles: this.#wordFiles,
      connect: () => network().connect(way, name),
    })
    this.#ledger = ledger
    this.#core = core
    core.start()
  }

  /** Whether its applications are not well with a tree, which some are not: for as long as the tree is live here. */
  isSick(treeHash: string): boolean {
    const [first = 0] = createHash('sha256').update(`${this.name} ${treeHash}`).digest()
    return first < 256 * SICK_SHARE
  }

  /** How it is with what it serves. */
  async #check(life: Life, { jobId, number, site }: CommandRef, signal: AbortSignal): Promise<Executed> {
    const { random, note } = this.#options
    life.step('before a check')
    this.disk.checksRun.add(`${jobId}:${number}`)
    await life.sleep(random.below(300), signal)
    const { live, releases } = this.disk.site(site)
    const isWell = live === null || !this.isSick(releases.get(live) ?? '')
    note(`${this.name} is ${isWell ? 'well' : 'sick'} with ${site}@${live}`)
    const facts = { hook: HEALTH_HOOK, site, why: 'it is sick', output: '' }
    return { output: null, error: isWell ? null : new EngineError('ENGINE_ERR_HOOK_FAILED', facts) }
  }

  /** What it does is noted when it begins: from there on it may have happened. */
  #hookOf(life: Life): Executor<'run-hook'> {
    const { random, note } = this.#options
    return {
      run: async ({ jobId, number, site, command }, signal) => {
        if (command.hook === HEALTH_HOOK) return this.#check(life, { jobId, number, site }, signal)
        life.step('before a hook')
        this.disk.hooksRun.push(`${jobId}:${number}`)
        note(`${this.name} runs the hook of ${jobId}:${number}`)
        life.step('a hook begun')
        await life.sleep(random.below(300), signal)
        return { output: null, error: null }
      },
      mayRepeat: ({ command }) => command.hook === HEALTH_HOOK,
    }
  }

  #planeOf(access: DiskAccess): DataPlane {
    const sessions = new Map<number, SessionStatus>()
    let count = 0
    return {
      openReceiver: async ({ assignmentId }) => {
        access.life.step('a receiver opened')
        if (this.disk.isFull) throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/' })
        count += 1
        sessions.set(count, statusOf(count, assignmentId))
        return count
      },
      setPlan: () => {},
      setPace: () => {},
      closeSession: (session) => void sessions.delete(session),
      poll: () => [...sessions.values()],
      apply: (options) => this.#apply(options, access, sessions),
    }
  }

  #apply(options: Applying, access: DiskAccess, sessions: Map<number, SessionStatus>): Execution {
    const controller = new AbortController()
    const result = this.#fetch(options, access, controller.signal).then((treeHash): ApplyResult => {
      const status = sessions.get(options.session)
      if (status !== undefined) sessions.set(options.session, { ...status, complete: true, bytesHave: 1000 })
      return { treeHash, filesWritten: 1, filesShared: 0, bytesWritten: 1 }
    })
    result.catch(() => {})
    return { result: () => result, cancel: () => controller.abort() }
  }

  /** It comes while somebody sends it; what it is, the stream says, if the base is what it builds on. */
  async #fetch(
    { assignmentId, baseDirectory, targetDirectory }: Applying,
    access: DiskAccess,
    signal: AbortSignal,
  ): Promise<string> {
    const { random, streams } = this.#options
    const { life } = access
    await life.sleep(1 + random.below(this.fetchMs), signal)
    const stream = streams.get(assignmentId)
    if (stream === undefined) throw new EngineError('ENGINE_ERR_ASSIGNMENT_CORRUPT', { why: 'nobody has made it' })
    // As its messages, its bytes come only while the way is free.
    while (!stream.isSent || !stream.isWhole || this.way.isMuted.coordinator) await life.sleep(50, signal)
    if (random.next() < this.faulty) {
      const code = faults[random.below(faults.length)] ?? 'ENGINE_ERR_IO'
      throw new EngineError(code, { what: 'the stream', why: 'as the seed has it' })
    }
    if (baseDirectory !== null && baseHash(this.disk, baseDirectory) === undefined) {
      throw new EngineError('ENGINE_ERR_BASE_MISSING', { release: stream.baseRelease })
    }
    await putRelease(access, targetDirectory, stream.treeHash)
    return stream.treeHash
  }
}

function statusOf(session: number, assignmentId: string): SessionStatus {
  const counters = { bytesHave: 0, chunksHave: 0, bytesReceived: 0, bytesSent: 0, duplicateChunks: 0, corruptChunks: 0 }
  const links = { faultyLinks: 0, lastFault: null, parents: [], children: [], failure: null }
  return { session, assignmentId, restoring: false, chunkCount: null, complete: false, ...counters, ...links }
}
