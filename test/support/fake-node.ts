// A node that speaks the node channel and does nothing else: it says what a test has it say.
import { once } from 'node:events'
import WebSocket from 'ws'
import type { FromCoordinator, FromNode, Report } from '../../src/control/schema/channel.js'
import type { BandwidthView } from '../../src/model/bandwidth.js'
import type { HookInfo } from '../../src/model/hook.js'
import type { JobError } from '../../src/model/job.js'
import type { NodeCommand } from '../../src/model/node-state.js'
import type { NodeSite, ReleaseRef } from '../../src/model/node.js'
import type { Verification } from '../../src/model/verification.js'
import { until } from './until.js'

export type Stage = Extract<FromCoordinator, { type: 'stage' }>
export type Commit = Extract<FromCoordinator, { type: 'commit' }>
export type Execute = Extract<FromCoordinator, { type: 'execute' }>
export type Check = Extract<FromCoordinator, { type: 'check' }>

/** What a fake node does with a command: does it, fails, or does not answer at all. */
export type Answer = 'do' | 'ignore' | JobError

export interface FakeNodeOptions {
  readonly name: string
  readonly id?: string
  readonly groups?: readonly string[]
  readonly sites?: readonly NodeSite[]
  /** What it declares; absent: it says nothing of hooks. */
  readonly hooks?: readonly HookInfo[]
  /** How fast it says that it may send; absent: it says nothing of that. */
  readonly limit?: BandwidthView
  readonly onStage?: (stage: Stage) => Answer
  readonly onCommit?: (commit: Commit) => Answer
  readonly onExecute?: (execute: Execute) => Answer
  readonly onQuery?: () => NodeCommand[] | 'ignore'
  readonly onCheck?: (check: Check) => Partial<Verification> | JobError | 'ignore'
}

export class FakeNode {
  readonly id: string
  readonly heard: FromCoordinator[] = []
  readonly sites: Map<string, NodeSite>
  onStage: (stage: Stage) => Answer
  onCommit: (commit: Commit) => Answer
  onExecute: (execute: Execute) => Answer
  /** What it says that its commands are at; `ignore`: nothing at all. */
  onQuery: () => NodeCommand[] | 'ignore'
  /** What it finds when it is told to read a release: what differs from a sound one, or why it could not. */
  onCheck: (check: Check) => Partial<Verification> | JobError | 'ignore'
  /** What its next hello says. */
  name: string
  groups: readonly string[]
  hooks: readonly HookInfo[] | undefined
  readonly #limit: BandwidthView | undefined
  #socket: WebSocket | null = null
  #reportId = 1

  constructor(options: FakeNodeOptions) {
    this.name = options.name
    this.groups = options.groups ?? ['edge']
    this.hooks = options.hooks
    this.#limit = options.limit
    this.id = options.id ?? Buffer.from(options.name.padEnd(16, '.')).subarray(0, 16).toString('hex')
    this.sites = new Map((options.sites ?? []).map((site) => [site.site, site]))
    this.onStage = options.onStage ?? (() => 'do')
    this.onCommit = options.onCommit ?? (() => 'do')
    this.onExecute = options.onExecute ?? (() => 'do')
    this.onQuery = options.onQuery ?? (() => [])
    this.onCheck = options.onCheck ?? (() => ({}))
  }

  /** Connects, says hello, and waits for the first answer. */
  async connect(url: string): Promise<FromCoordinator> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/channel`)
    this.#socket = socket
    const before = this.heard.length
    socket.on('error', () => {})
    socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString('utf8')) as FromCoordinator))
    await once(socket, 'open')
    const { name, groups, hooks } = this
    const node = { id: this.id, name, groups: [...groups], segment: 'lan', dataAddress: { host: '127.0.0.1', port: 9 } }
    const facts = { software: 'fake', node, sites: [...this.sites.values()], ...(hooks === undefined ? {} : { hooks }) }
    const limit = this.#limit === undefined ? {} : { limit: this.#limit }
    const hello = { type: 'hello', version: 1, role: 'node', ...facts, ...limit }
    socket.send(JSON.stringify(hello))
    return until(`${name} is answered`, () => this.heard[before])
  }

  /** Cuts the connection. */
  async disconnect(): Promise<void> {
    const socket = this.#socket
    this.#socket = null
    if (socket === null || socket.readyState === WebSocket.CLOSED) return
    socket.terminate()
    await once(socket, 'close')
  }

  live(site: string): ReleaseRef | null {
    return this.sites.get(site)?.live ?? null
  }

  messages<T extends FromCoordinator['type']>(type: T): Extract<FromCoordinator, { type: T }>[] {
    return this.heard.filter((message): message is Extract<FromCoordinator, { type: T }> => message.type === type)
  }

  send(message: FromNode): void {
    this.#socket?.send(JSON.stringify(message))
  }

  report(about: Stage | Commit, kind: Report['kind'], error: JobError | null = null): void {
    const { commandId, jobId, number, site, release, treeHash } = about
    const command = about.type === 'stage' ? 'publish' : about.command
    const facts = { commandId, jobId, number, output: null, site, release, treeHash, command, kind, error } as const
    this.send({ type: 'report', reportId: this.#reportId++, atMs: 1_700_000_000_000, bytesFetched: 0, ...facts })
  }

  /** Answers a command that it carries out by itself. */
  tellExecuted(about: Execute, kind: Report['kind'], error: JobError | null = null): void {
    const { commandId, jobId, number, site, command } = about
    const facts = { commandId, jobId, number, site, command: command.type, kind, error } as const
    const output = kind === 'completion' ? `${this.name} did ${number}` : null
    const blank = { release: null, treeHash: null, atMs: 1_700_000_000_000, bytesFetched: 0 }
    this.send({ type: 'report', reportId: this.#reportId++, ...blank, ...facts, output })
  }

  /** Does what a command says and reports it. */
  perform(about: Stage | Commit): void {
    const { site, release, treeHash } = about
    const ref = { release, treeHash }
    const { live, held } = this.sites.get(site) ?? { live: null, held: [] }
    const others = held.filter((each) => each.release !== release)
    this.sites.set(site, { site, live: about.type === 'commit' ? ref : live, held: [...others, ref] })
    if (about.type === 'stage') this.report(about, 'receipt')
    this.report(about, 'completion')
  }

  #take(message: FromCoordinator): void {
    this.heard.push(message)
    if (message.type === 'stage') this.#answer(message, this.onStage(message))
    if (message.type === 'commit') this.#answer(message, this.onCommit(message))
    if (message.type === 'query') this.#answerQuery(message.queryId)
    if (message.type === 'execute') this.#answerExecute(message, this.onExecute(message))
    if (message.type === 'check') this.#answerCheck(message)
  }

  #answerCheck(check: Check): void {
    const said = this.onCheck(check)
    if (said === 'ignore') return
    const { checkId, site, release } = check
    const sound = { files: 1, bytes: 6, mismatches: 0, findings: [], linkIsRight: null, alsoDamaged: [] }
    const found: Verification = {
      site,
      release: release ?? 1,
      treeHash: '0'.repeat(64),
      ...sound,
      mended: 'none',
      ...said,
    }
    if ('code' in said) this.send({ type: 'checked', checkId, found: null, error: said })
    else this.send({ type: 'checked', checkId, found, error: null })
  }

  #answerQuery(queryId: string): void {
    const commands = this.onQuery()
    if (commands === 'ignore') return
    const sites = [...this.sites.values()].map(({ site, live, held }) => ({ site, live, held: [...held] }))
    this.send({ type: 'state', queryId, commands, sites })
  }

  #answerExecute(about: Execute, answer: Answer): void {
    if (answer === 'ignore') return
    this.tellExecuted(about, 'receipt')
    if (answer === 'do') this.tellExecuted(about, 'completion')
    else this.tellExecuted(about, 'failure', answer)
  }

  #answer(about: Stage | Commit, answer: Answer): void {
    if (answer === 'do') this.perform(about)
    else if (answer !== 'ignore') this.report(about, 'failure', answer)
  }
}
