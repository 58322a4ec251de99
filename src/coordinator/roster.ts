import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { NODES_MAX, RETRY_FIRST_MS, RETRY_MS_MAX } from '../base/limits.js'
import type { NodeLink } from '../control/door/channel.js'
import type { Flow } from '../model/flow.js'
import type { HookInfo } from '../model/hook.js'
import type { OwedCommand } from '../store/commands.js'
import type { JobError } from '../model/job.js'
import type { BandwidthView } from '../model/bandwidth.js'
import { Bell } from './bell.js'
import type { NodeIdentity, NodeSite, ReleaseRef } from '../model/node.js'
import type { Verification } from '../model/verification.js'
import { isSame, type LastFailure } from '../track/reconcile.js'
import type { Presence } from '../track/silence.js'

/** What one node was told of one site and has not answered. */
export interface UnderWay {
  readonly kind: 'stage' | 'commit'
  /** Only its own failure counts: one of an earlier attempt may come late. */
  readonly commandId: string
  readonly release: ReleaseRef
  /** Null for a commit. */
  readonly assignmentId: string | null
  /** The assignment is a difference from a base. */
  readonly isDelta: boolean
  /** By the clock that never goes back. */
  readonly toldAtMs: number
}

/** One node and one site: what it is at, and what went wrong last. */
export class SiteTask {
  underWay: UnderWay | null = null
  /** `atMs` by the clock that never goes back. */
  failure: (LastFailure & { readonly attempts: number; readonly error: JobError; readonly atMs: number }) | null = null
  /** A difference failed in a way that the whole may not. */
  wholeOnly = false
  /** The last damage it told of, as long as it has it. */
  drift: Verification | null = null
  /** It serves what came to nothing: once it serves something else, that is dropped. */
  vain: { readonly assignmentId: string | null; readonly release: number } | null = null
  /** Of what it fetches: how much it has, as far as it has said, and whether it has said that this is all. */
  bytesHave = 0
  hasAll = false
  /** Told so often: makes each attempt a command of its own. */
  attempts = 0

  /** It has said that it has all of a release. */
  receive(release: ReleaseRef): void {
    if (this.underWay?.kind === 'stage' && isSame(this.underWay.release, release)) this.hasAll = true
  }

  /** Notes a failure; each one in a row doubles the wait. */
  fail(release: ReleaseRef, error: JobError, retryable: boolean, nowMs: number): void {
    const again = this.failure !== null && this.failure.release.release === release.release
    const attempts = again ? (this.failure?.attempts ?? 0) + 1 : 1
    const waitMs = Math.min(RETRY_FIRST_MS * 2 ** (attempts - 1), RETRY_MS_MAX)
    this.failure = {
      release,
      message: error.message,
      error,
      retryable,
      attempts,
      retryAtMs: nowMs + waitMs,
      atMs: nowMs,
    }
    this.underWay = null
  }

  succeed(): void {
    this.failure = null
    this.underWay = null
    this.wholeOnly = false
  }
}

/** A node as the running coordinator knows it. */
export class KnownNode {
  identity: NodeIdentity
  sites: ReadonlyMap<string, NodeSite>
  link: NodeLink | null = null
  /** What jobs may name on it; null: it has not said in this life. */
  hooks: readonly HookInfo[] | null = null
  /** By the clock that never goes back; null: not in this life. */
  lastHeardMs: number | null = null
  lastSeenMs: number
  /** How fast it may send; null: it has not said on this connection. */
  limit: BandwidthView | null = null
  /** How many want to run on its machine, for each core; null: it has not said on this connection. */
  load: number | null = null
  /** Rings when it has said, or is gone. */
  readonly limitBell = new Bell()
  /** What it said last of whom it sends to. */
  flows: readonly Flow[] = []
  /** While it sends to somebody it may say nothing for so long. */
  quietMs = 0
  /** Signs its reports; null while it never told one. */
  publicKey: string | null
  /** Effects of its messages, one after the other. */
  inbox: Promise<void> = Promise.resolve()
  /** Effects in the inbox that are not over. */
  inboxCount = 0
  /** Commands that it missed while it was away, oldest first. */
  owed: readonly OwedCommand[] = []
  /** The one of them that it was told on this connection. */
  owedTold: OwedCommand | null = null
  /** Releases of its holdings that were or may be live somewhere: nobody need look for it again. */
  sound: ReadonlySet<string> = new Set()
  readonly #tasks = new Map<string, SiteTask>()

  constructor(identity: NodeIdentity, sites: readonly NodeSite[], lastSeenMs: number, publicKey: string | null = null) {
    this.identity = identity
    this.sites = new Map(sites.map((site) => [site.site, site]))
    this.lastSeenMs = lastSeenMs
    this.publicKey = publicKey
  }

  get presence(): Presence {
    return { online: this.link !== null, lastHeardMs: this.lastHeardMs }
  }

  /** What it holds of a site; nothing when it never said. */
  holdings(site: string): NodeSite {
    return this.sites.get(site) ?? { site, live: null, held: [] }
  }

  setHoldings(holdings: NodeSite): void {
    this.sites = new Map([...this.sites, [holdings.site, holdings]])
    this.#forgetMended(holdings)
  }

  task(site: string): SiteTask {
    const task = this.#tasks.get(site) ?? new SiteTask()
    this.#tasks.set(site, task)
    return task
  }

  #forgetMended({ site, damaged = [] }: NodeSite): void {
    const task = this.task(site)
    const { drift } = task
    if (drift !== null && !damaged.some((each) => isSame(each, drift))) task.drift = null
  }

  /** Assignments that it was told to fetch and has not answered. */
  get assignmentsUnderWay(): readonly string[] {
    const ids = [...this.#tasks.values()].map((task) => task.underWay?.assignmentId ?? null)
    return ids.filter((id) => id !== null)
  }

  /** How far it is with an assignment that it was told to fetch. @returns false: it was not. */
  fetched(assignmentId: string, bytesHave: number): boolean {
    for (const task of this.#tasks.values()) {
      if (task.underWay?.assignmentId !== assignmentId) continue
      task.bytesHave = bytesHave
      return true
    }
    return false
  }

  heard(clock: Clock): void {
    this.lastHeardMs = clock.monotonicMs()
    this.lastSeenMs = clock.nowMs()
  }

  /** An assignment is not sent any more: whoever fetched it is told anew, later each time. */
  failUnderWay(assignmentId: string, error: EngineError, nowMs: number): void {
    for (const task of this.#tasks.values()) {
      if (task.underWay?.assignmentId !== assignmentId) continue
      task.fail(task.underWay.release, error.toReport(), true, nowMs)
    }
  }

  /** It is gone: what it was told may not have arrived. */
  lost(): void {
    this.link = null
    this.flows = []
    this.limit = null
    this.load = null
    this.limitBell.ring()
    this.owedTold = null
    for (const task of this.#tasks.values()) task.underWay = null
  }
}

/** All nodes that ever joined. */
export class Roster {
  readonly #byId = new Map<string, KnownNode>()
  readonly #byName = new Map<string, KnownNode>()
  /** All of them by name, until somebody joins or has another name; it is asked for far more often than that. */
  #sorted: readonly KnownNode[] | null = null

  add(known: KnownNode): void {
    const { id, name } = known.identity
    this.#byId.set(id, known)
    this.#byName.set(name, known)
    this.#sorted = null
  }

  get(nodeId: string): KnownNode | undefined {
    return this.#byId.get(nodeId)
  }

  /** By name. */
  get all(): readonly KnownNode[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => (a.identity.name < b.identity.name ? -1 : 1))
    return this.#sorted
  }

  /**
   * The node that says it is this one, new or met before.
   * @param publicKey null: it has none. A node that once told a key comes with that one or not at all.
   * @throws {EngineError} ENGINE_ERR_NODE_NAME_TAKEN, ENGINE_ERR_NODE_KEY_CHANGED, ENGINE_ERR_OVERLOADED.
   */
  admit(identity: NodeIdentity, sites: readonly NodeSite[], nowMs: number, publicKey: string | null = null): KnownNode {
    const owner = this.#byName.get(identity.name)
    if (owner !== undefined && owner.identity.id !== identity.id) {
      throw new EngineError('ENGINE_ERR_NODE_NAME_TAKEN', { name: identity.name, nodeId: owner.identity.id })
    }
    const before = this.#byId.get(identity.id)
    if (before === undefined && this.#byId.size >= NODES_MAX) {
      throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'nodes' })
    }
    const key = before?.publicKey ?? publicKey
    if (key !== publicKey) {
      const facts = { name: identity.name, nodeId: identity.id, theirs: publicKey ?? 'none' }
      throw new EngineError('ENGINE_ERR_NODE_KEY_CHANGED', facts)
    }
    const known = before ?? new KnownNode(identity, sites, nowMs)
    known.publicKey = key
    known.sites = new Map(sites.map((site) => [site.site, site]))
    this.#take(known, identity)
    return known
  }

  /** A node is known by what it says of itself now. */
  #take(known: KnownNode, identity: NodeIdentity): void {
    const { name } = known.identity
    known.identity = identity
    if (this.#byName.get(identity.name) === known && this.#byId.has(identity.id)) return
    this.#byName.delete(name)
    this.add(known)
  }
}
