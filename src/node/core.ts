// A node at work, between its channel and the parts that carry orders out.
// In: a coordinator's orders. Out: one answer to each, durable before it is told; what this node holds.
// Never: an order of another coordinator, a decision about other nodes, a payload byte.
import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { COMMANDS_WAITING_MAX, LINK_CHECK_MS } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Signer } from '../base/signing.js'
import { CHANNEL_VERSION, type Commit, type Execute, type Hello } from '../control/schema/channel.js'
import type { NodeIdentity, NodeSite, PeerAddress } from '../model/node.js'
import { checkCoordinator } from './belonging.js'
import { bringer } from './bringing.js'
import { Channel, type Connect, type Order, type Welcome } from './channel.js'
import { Checks } from './checks.js'
import { Commits, type CommitsOptions } from './committing.js'
import { Executions, type Executors } from './executing.js'
import type { Hooks } from './hooks.js'
import type { Ledger } from './ledger.js'
import { Links, type LinksParts } from './links.js'
import { type Eyes, Looks } from './looking.js'
import { answeredOf, type Command } from './orders.js'
import type { NodePaths } from './paths.js'
import type { Releases } from './releases.js'
import { failureOf, Reports } from './reports.js'
import type { TalkSource } from './words/answering.js'
import { filesIn, type WordFiles } from './words/files.js'
import { Words } from './words/words.js'
import type { DataPlane } from './staging.js'
import { Stagings } from './stagings.js'
import { executedKey, holdingsOf } from './state.js'
import { commandsOf } from './state-answer.js'
import { Turns } from './turns.js'
import { verifyExecutor } from './verify-executor.js'
import { VerifySchedule } from './verify-schedule.js'
import { Verifications, type VerificationsOptions } from './verifying.js'

export interface NodeCoreOptions {
  readonly identity: Omit<NodeIdentity, 'dataAddress'>
  /** Where peers find its relay, given this end of the connection to the coordinator. */
  readonly dataAddress: (localAddress: string) => PeerAddress
  /** `http://host:port` of the coordinator. */
  readonly join: string
  readonly software: string
  /** Signs its reports. */
  readonly signer: Signer
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly releases: Releases
  readonly hooks: Hooks
  readonly plane: DataPlane
  readonly switchLive: CommitsOptions['switchLive']
  /** Who carries out what is no step towards a release. */
  readonly executors: Executors
  /** Reads a release and says what differs. */
  readonly read: VerificationsOptions['read']
  readonly verify: VerifySettings
  /** The disk as it is looked at. */
  readonly eyes: Eyes
  readonly links?: LinksParts
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Makes connections to the coordinator; absent: over the network. */
  readonly connect?: Connect
  /** Where other nodes call; absent: it hears none, and calls none. */
  readonly talks?: TalkSource
  /** Where words are kept; absent: in files. */
  readonly wordFiles?: WordFiles
}

/** How a node verifies on its own, and how fast where nobody says more. */
export interface VerifySettings {
  /** Null: not on its own. */
  readonly everyMs: number | null
  /** Bits per second. */
  readonly rateBps: number
}

/** What people are told of a node that cannot join: once, until it changes. */
interface Joining {
  readonly resolve: () => void
  readonly reject: (error: EngineError) => void
}

/** A node at work: takes orders from its channel to the parts that carry them out, one answer to each. */
export class NodeCore {
  readonly #options: NodeCoreOptions
  readonly #turns = new Turns()
  readonly #reports: Reports
  readonly #stagings: Stagings
  readonly #commits: Commits
  readonly #executions: Executions
  readonly #checks: Checks
  readonly #looks: Looks
  readonly #links: Links
  readonly #verifySchedule: VerifySchedule
  readonly #words: Words
  #channel: Channel | null = null
  #stopLooking: Cancel | null = null
  #publicKey: Uint8Array = new Uint8Array()
  #told = ''
  /** Settles once it is on record whose node this is. */
  #joined: Promise<void> = Promise.resolve()
  /** Received and not answered. */
  readonly #orders = new Set<Command>()
  readonly #joining = new Set<Joining>()

  constructor(options: NodeCoreOptions) {
    const { paths, ledger, releases, plane, clock, log, switchLive, hooks } = options
    this.#options = options
    const send = (message: Parameters<Channel['send']>[0]): boolean => this.#channel?.send(message) ?? false
    const { identity, signer } = options
    this.#reports = new Reports({ ledger, clock, log, send, signer, nodeId: identity.id })
    const shared = { paths, ledger, releases, reports: this.#reports, turns: this.#turns, log }
    const onHoldings = (): void => this.#tellHoldings()
    this.#stagings = new Stagings({
      ...{ ...shared, plane, clock, send, onHoldings },
      isConnected: () => this.isConnected,
      publicKey: () => this.#publicKey,
      onEnded: (commits) => {
        for (const commit of commits) void this.#answering(commit, () => this.#resume(commit))
      },
    })
    this.#commits = new Commits({ ...shared, stagings: this.#stagings, hooks, switchLive, onHoldings })
    const { read, verify, random } = options
    const { rateBps } = verify
    const verifications = new Verifications({
      ...{ ...shared, stagings: this.#stagings, clock, read, rateBps, onHoldings },
      onDrift: (found) => this.#checks.tell(found),
    })
    this.#checks = new Checks({ verifications, send })
    this.#links = new Links({ ...options.links, clock, log, send, poll: () => plane.poll() })
    this.#looks = new Looks({ paths, log, send, eyes: options.eyes, bring: bringer(options.join) })
    this.#verifySchedule = new VerifySchedule({ ...verify, verifications, ledger, clock, random, log })
    const executors = { verify: verifyExecutor(verifications, options.identity.name), ...options.executors }
    this.#executions = new Executions({ ...shared, executors })
    this.#words = new Words({
      ...{
        ledger,
        clock,
        random,
        log,
        nodeId: identity.id,
        name: identity.name,
        files: options.wordFiles ?? filesIn(paths.words),
      },
      relay: options.talks,
      isConnected: () => this.isConnected,
      carryOut: (order) => this.#answering(order, () => this.#command(order)),
      isUnderWay: (order) => this.#isUnderWay(order),
    })
  }

  /** Begins to call the coordinator. */
  start(): void {
    const { join: url, clock, random, log, connect } = this.#options
    this.#channel = new Channel({
      ...{ url, clock, random, log, connect },
      hello: (localAddress) => this.#hello(localAddress),
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onOrder: (order) => this.#carryOut(order),
      onRefused: (error) => this.#onRefused(error),
    })
    this.#inBackground(this.#commits.resumeHooks())
    this.#stopLooking = clock.setInterval(LINK_CHECK_MS, () => this.#look())
    this.#verifySchedule.start()
    this.#links.start()
    this.#words.start()
  }

  get isConnected(): boolean {
    return this.#channel?.isUp ?? false
  }

  get holdings(): readonly NodeSite[] {
    return holdingsOf(this.#options.ledger.state)
  }

  /** Reports that the coordinator has not acknowledged. */
  get reportsOwed(): number {
    return this.#reports.owed
  }

  /** Settles when the coordinator has welcomed this node. Rejects when it refused it, or `signal` fires. */
  ready(signal?: AbortSignal): Promise<void> {
    if (this.isConnected) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (run: () => void): void => {
        this.#joining.delete(joining)
        signal?.removeEventListener('abort', onAbort)
        run()
      }
      const cancelled = new EngineError('ENGINE_ERR_CANCELLED', { what: 'the wait for the coordinator' })
      const onAbort = (): void => settle(() => reject(cancelled))
      const joining: Joining = {
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      }
      if (signal?.aborted) {
        reject(cancelled)
        return
      }
      this.#joining.add(joining)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Stops calling, stops what is under way where it stands, waits for what is being written. */
  async close(): Promise<void> {
    this.#stopLooking?.()
    this.#channel?.close()
    for (const { reject } of [...this.#joining]) reject(new EngineError('ENGINE_ERR_CLOSING'))
    this.#links.close()
    this.#executions.close()
    // At once: what words have begun may wait for a hook.
    await Promise.all([this.#words.close(), this.#options.hooks.close()])
    this.#options.releases.close()
    await this.#verifySchedule.close()
    await this.#checks.close()
    await this.#looks.close()
    await this.#stagings.close()
    await this.#turns.idle()
  }

  #hello(localAddress: string): Hello {
    const { identity, dataAddress, software, signer } = this.#options
    const sites = holdingsOf(this.#options.ledger.state)
    this.#told = JSON.stringify(sites)
    const { id, name, groups, segment } = identity
    const node = { id, name, groups: [...groups], segment, dataAddress: dataAddress(localAddress) }
    const { publicKey } = signer
    const hooks = [...this.#options.hooks.told]
    const links = this.#links.told
    return { type: 'hello', version: CHANNEL_VERSION, role: 'node', software, node, publicKey, sites, hooks, ...links }
  }

  #onWelcome({ coordinatorId, publicKey }: Welcome): void {
    const { ledger, log, join: url } = this.#options
    checkCoordinator(ledger.state, { coordinatorId, publicKey }, url)
    this.#publicKey = Buffer.from(publicKey, 'hex')
    if (ledger.state.publicKey === null) {
      this.#joined = ledger.record({ type: 'joined', coordinatorId, publicKey })
      this.#inBackground(this.#joined)
    }
    log.info({ coordinatorId, url, reportsOwed: this.#reports.owed }, 'coordinator joined')
    for (const { resolve } of [...this.#joining]) resolve()
    // The channel takes messages from here on; what changed since the hello is told anew.
    queueMicrotask(() => {
      this.#reports.resend()
      this.#checks.resend()
      this.#tellHoldings()
      this.#look()
    })
  }

  #onRefused(error: EngineError): void {
    if (error.retryable) return
    for (const { reject } of [...this.#joining]) reject(error)
  }

  #carryOut(order: Order): void {
    if (order.type === 'plan') {
      this.#attempt(() => this.#stagings.setPlan(order.assignmentId, order))
      return
    }
    if (order.type === 'pace') {
      this.#attempt(() => this.#stagings.setPace(order.assignmentId, order.pace))
      return
    }
    if (order.type === 'ack') {
      this.#inBackground(this.#reports.acked(order.reportId))
      return
    }
    if (order.type === 'refuse-report') {
      this.#inBackground(this.#reports.refused(order.reportId, order))
      return
    }
    if (this.#links.take(order)) return
    if (order.type === 'check') return this.#checks.check(order)
    if (order.type === 'look') return this.#looks.look(order)
    if (order.type === 'send') return this.#looks.send(order)
    if (order.type === 'word') {
      // The first one follows on the first welcome, and is checked against what that puts on record.
      void this.#joined.catch(() => {}).then(() => this.#words.tell(order))
      return
    }
    if (order.type === 'query') {
      this.#answerQuery(order.queryId)
      return
    }
    this.#enqueue(order)
  }

  #enqueue(order: Command): void {
    if (this.#orders.size >= COMMANDS_WAITING_MAX) {
      this.#inBackground(this.#answerFailure(order, new EngineError('ENGINE_ERR_OVERLOADED', { what: 'commands' })))
      return
    }
    void this.#answering(order, () => this.#command(order))
  }

  /** Settles when it is answered, well or badly. */
  #answering(order: Command, run: () => Promise<void>): Promise<void> {
    this.#orders.add(order)
    const work = run().catch((error: unknown) => this.#answerFailure(order, toEngineError(error)))
    const answered = work.finally(() => {
      this.#orders.delete(order)
    })
    this.#inBackground(answered)
    return answered.catch(() => {})
  }

  /** Whether a command is being carried out, whoever ordered it. */
  #isUnderWay(order: Commit | Execute): boolean {
    const key = executedKey(order)
    const isSame = (other: Command): boolean => other.type !== 'discard' && executedKey(other) === key
    return this.#executions.underWay.has(key) || [...this.#orders, ...this.#commits.underWay].some(isSame)
  }

  async #command(order: Command): Promise<void> {
    if (order.type === 'stage') return this.#stagings.stage(order)
    if (order.type === 'discard') return this.#stagings.discard(order)
    if (order.type === 'execute') return this.#executions.execute(order)
    this.#stagings.want(order)
    await this.#stagings.settled(order.site)
    return this.#commits.commit(order)
  }

  async #resume(commit: Commit): Promise<void> {
    await this.#stagings.settled(commit.site)
    return this.#commits.resume(commit)
  }

  /** At once, whatever else is under way: who asks waits for nothing but this. */
  #answerQuery(queryId: string): void {
    const { state } = this.#options.ledger
    const { underWay } = this.#stagings
    const orders = [...this.#orders].filter((order) => order.type !== 'discard')
    const commands = commandsOf({
      executed: state.executed.values(),
      waiting: [...orders, ...underWay.flatMap(({ commits }) => commits), ...this.#executions.waiting],
      staging: underWay.flatMap(({ commands: told, bytesHave }) =>
        told.map(({ jobId, number }) => ({ jobId, number, bytesHave })),
      ),
      atWork: this.#commits.underWay,
      viaOf: (command) => this.#words.viaOf(command),
    })
    this.#channel?.send({ type: 'state', queryId, commands, sites: holdingsOf(state) })
  }

  /** What could not even be begun is answered too. */
  async #answerFailure(order: Command, error: EngineError): Promise<void> {
    this.#options.log.error({ err: error, order: order.type, site: order.site }, 'a command was not carried out')
    if (order.type === 'discard') {
      // What is held is told again at the next look, and the coordinator has it dropped again.
      this.#told = ''
      return
    }
    const report = this.#reports.make(answeredOf(order), failureOf(error))
    await this.#reports.tellFailure([], [report])
  }

  #tellHoldings(): void {
    const sites = holdingsOf(this.#options.ledger.state)
    const text = JSON.stringify(sites)
    if (text === this.#told) return
    if (this.#channel?.send({ type: 'holdings', sites })) this.#told = text
  }

  /** A link that somebody removed or moved is told of, so that it is switched again. */
  #look(): void {
    const { ledger, releases } = this.#options
    for (const site of ledger.state.sites.keys()) {
      const looked = this.#turns.run(site, () => releases.look(site))
      this.#inBackground(looked.then(() => this.#tellHoldings()))
    }
  }

  #attempt(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#options.log.warn({ err: toEngineError(error) }, 'an order was not carried out')
    }
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.log.error({ err: toEngineError(error) }, 'what had to be recorded could not be')
    })
  }
}
