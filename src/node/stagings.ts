import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { PROGRESS_INTERVAL_MS, STAGINGS_AT_ONCE_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Commit, Discard, FromNode, Report, Stage } from '../control/schema/channel.js'
import type { ReleaseRef } from '../model/node.js'
import { type Pace, usualPace } from '../model/pace.js'
import type { SessionStatus } from '../native/relay.js'
import type { Ledger } from './ledger.js'
import { Lingering } from './lingering.js'
import { answeredOf } from './orders.js'
import type { NodePaths } from './paths.js'
import type { Releases } from './releases.js'
import { failureOf, type Outcome, type Reports } from './reports.js'
import { type DataPlane, isWasted, Staging } from './staging.js'
import { illnessOf, isHeld, type JournalRecord } from './state.js'
import { Told } from './told.js'
import { Places, type Turns } from './turns.js'

export interface StagingsOptions {
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly reports: Reports
  readonly releases: Releases
  readonly turns: Turns
  readonly plane: DataPlane
  readonly clock: Clock
  readonly log: Logger
  readonly send: (message: FromNode) => boolean
  readonly isConnected: () => boolean
  /** Key of the coordinator that signs assignments, 32 bytes; known once it has welcomed this node. */
  readonly publicKey: () => Uint8Array
  readonly onHoldings: () => void
  /** A staging has ended: commits that waited for it can be carried out or refused. */
  readonly onEnded: (commits: readonly Commit[]) => void
}

/** All assignments that this node fetches and executes, and the sessions that go on serving after that. */
export class Stagings {
  readonly #options: StagingsOptions
  readonly #active = new Map<string, Staging>()
  readonly #ends = new Map<string, Promise<void>>()
  readonly #lingering: Lingering
  readonly #places = new Places(STAGINGS_AT_ONCE_MAX)
  /** By site: the release that its newest order is about. */
  readonly #wanted = new Map<string, ReleaseRef>()
  #stopPolling: Cancel | null = null
  readonly #told = new Told()
  #closing = false

  constructor(options: StagingsOptions) {
    this.#options = options
    this.#lingering = new Lingering({
      closeSession: (session) => options.plane.closeSession(session),
      forget: (assignmentId) => this.#forget(assignmentId),
    })
  }

  /**
   * Fetches and executes an assignment, unless its release stands already or it is under way. Settles
   * when the command is answered or taken up; failures are answers, not throws.
   */
  stage(command: Stage): Promise<void> {
    this.want(command)
    this.#told.hear(command)
    return this.#inTurn(command)
  }

  /** An order has come for a site: what is being staged of it for another release is no longer wanted, and stops. */
  want({ site, release, treeHash }: Stage | Commit): void {
    this.#wanted.set(site, { release, treeHash })
    for (const staging of this.#active.values()) {
      if (staging.site === site && !this.#isWanted(site, staging.ref)) staging.stop(this.#overtaken(site, staging.ref))
    }
  }

  #isWanted(site: string, { release, treeHash }: ReleaseRef): boolean {
    const wanted = this.#wanted.get(site)
    return wanted === undefined || (wanted.release === release && wanted.treeHash === treeHash)
  }

  #overtaken(site: string, { release }: ReleaseRef): EngineError {
    const by = this.#wanted.get(site)?.release
    const what = `the staging of ${site}@${release}, overtaken by an order for release ${by},`
    return new EngineError('ENGINE_ERR_CANCELLED', { what })
  }

  #inTurn(command: Stage): Promise<void> {
    // A turn of its own: what is staged takes the site's turn while this may wait for it to end.
    this.#told.wait(command)
    const taken = this.#options.turns.run(`stage ${command.site}`, () => this.#take(command))
    return taken.finally(() => this.#told.done(command))
  }

  async #take(command: Stage): Promise<void> {
    const { site, base } = command
    const ref = { release: command.release, treeHash: command.treeHash }
    const known = this.#active.get(command.assignment.id)
    if (known !== undefined && known.cause === null) {
      known.join(command)
      const newest = this.#told.newest(command)
      this.setPlan(known.assignmentId, newest)
      this.setPace(known.assignmentId, newest.pace ?? usualPace)
      return
    }
    // One that is stopping ends first, and is begun anew.
    await this.#ends.get(command.assignment.id)
    if (await this.#standsAlready(command, ref)) return
    if (base !== null && !isHeld(this.#options.ledger.state, site, base)) {
      await this.#refuse(command, new EngineError('ENGINE_ERR_BASE_MISSING', { release: base.release }))
      return
    }
    await this.#supersede(site, ref.release)
    if (this.#closing) return
    // It waited for its turn: what was told since is what counts.
    if (!this.#isWanted(site, ref)) {
      await this.#refuse(command, this.#overtaken(site, ref))
      return
    }
    this.#begin(new Staging(this.#told.newest(command)))
  }

  /** What is being fetched and written, with how much of it is there. */
  get underWay(): readonly Staging[] {
    return [...this.#active.values()]
  }

  /** Settles when every stage command that came for a site is under way or answered. */
  settled(site: string): Promise<void> {
    return this.#options.turns.run(`stage ${site}`, async () => {})
  }

  /** Who to fetch from has changed. Unknown assignments are ignored. */
  setPlan(assignmentId: string, { plan, reserve }: Pick<Stage, 'plan' | 'reserve'>): void {
    this.#told.change(assignmentId, { plan, reserve })
    const staging = this.#active.get(assignmentId)
    staging?.setPlan(plan, reserve ?? null)
    const session = staging?.session ?? this.#lingering.sessionOf(assignmentId)
    if (session !== null) this.#options.plane.setPlan(session, plan)
  }

  /** How fast it is passed on has changed. Unknown assignments are ignored. */
  setPace(assignmentId: string, pace: Pace): void {
    this.#told.change(assignmentId, { pace })
    const staging = this.#active.get(assignmentId)
    if (staging !== undefined) staging.pace = pace
    const session = staging?.session ?? this.#lingering.sessionOf(assignmentId)
    if (session !== null) this.#options.plane.setPace(session, pace)
  }

  /** The staging that will bring this release. */
  find(site: string, ref: ReleaseRef): Staging | undefined {
    return this.underWay.find((staging) => staging.brings(site, ref))
  }

  /** Releases of a site that stagings build on or are building. */
  inUse(site: string): ReadonlySet<number> {
    const own = this.underWay.filter((staging) => staging.site === site)
    return new Set(own.flatMap(({ ref, base }) => (base === null ? [ref.release] : [ref.release, base.release])))
  }

  /** A release is not what it was: what builds on it stops, and is asked for anew, whole. */
  distrust(site: string, release: number): void {
    for (const staging of this.#active.values()) {
      if (staging.site !== site || staging.base?.release !== release) continue
      staging.stop(new EngineError('ENGINE_ERR_BASE_MISSING', { release }))
    }
  }

  /** Drops what was fetched or staged for an assignment; what is live stays, and what was unless `evenLive`. */
  async discard({ assignmentId, site, release, evenLive = false }: Discard): Promise<void> {
    const what = `the staging of ${site}@${release}`
    // Between stage commands: one that came before has begun, one that comes after begins with nothing.
    const forgotten = this.#options.turns.run(`stage ${site}`, async () => {
      if (assignmentId === null) return
      this.#active.get(assignmentId)?.stop(new EngineError('ENGINE_ERR_CANCELLED', { what }))
      await this.#ends.get(assignmentId)
      this.#lingering.close(assignmentId)
      await this.#forget(assignmentId)
    })
    // A full disk has no room for the record that it is forgotten; it has when the release is gone.
    await forgotten.catch(() => {})
    await this.#options.turns.run(site, async () => {
      const held = this.#options.ledger.state.sites.get(site)?.held.get(release)
      if (held === undefined || (held.wasLive && !evenLive) || this.inUse(site).has(release)) return
      await this.#options.releases.drop(site, release, this.inUse(site))
      this.#options.onHoldings()
    })
    await forgotten
  }

  /**
   * A release is live: what older ones of its site were served from is no longer needed, nor what was fetched of
   * it or of them and never came to an end.
   */
  async overtaken(site: string, release: number): Promise<void> {
    await this.#lingering.endOlder(site, release)
    for (const begun of this.#options.ledger.state.begun.values()) {
      if (begun.site !== site || begun.release > release) continue
      const { assignmentId } = begun
      if (this.#active.has(assignmentId) || this.#lingering.sessionOf(assignmentId) !== null) continue
      await this.#forget(assignmentId)
    }
  }

  /** Stops everything without a word: the files stay, and the next start goes on from them. */
  async close(): Promise<void> {
    this.#closing = true
    this.#stopPolling?.()
    for (const staging of this.#active.values()) staging.stop(new EngineError('ENGINE_ERR_CLOSING'))
    await Promise.all(this.#ends.values())
  }

  async #standsAlready(command: Stage, ref: ReleaseRef): Promise<boolean> {
    const { ledger, releases, reports } = this.#options
    const held = isHeld(ledger.state, command.site, ref)
    // Whole on the disk and not in the journal: a crash came between the two.
    const isIll = illnessOf(ledger.state, command.site, ref) !== null
    const unknown = !held && !isIll && ledger.state.sites.get(command.site)?.live?.release !== ref.release
    if (!held && !(unknown && (await releases.stands(command.site, ref)))) return false
    const facts: JournalRecord[] = held ? [] : [{ type: 'staged', site: command.site, ...ref }]
    const done: Outcome = { kind: 'completion', bytesFetched: 0, output: null, error: null }
    await reports.tell(facts, [reports.make(answeredOf(command), done)])
    if (!held) this.#options.onHoldings()
    return true
  }

  /** Two assignments never build the same release at once: the newer one is meant. */
  async #supersede(site: string, release: number): Promise<void> {
    for (const staging of this.#active.values()) {
      if (staging.site !== site || staging.ref.release !== release) continue
      staging.stop(new EngineError('ENGINE_ERR_CANCELLED', { what: `the older staging of ${site}@${release}` }))
      await this.#ends.get(staging.assignmentId)
    }
  }

  #begin(staging: Staging): void {
    const { assignmentId } = staging
    this.#active.set(assignmentId, staging)
    this.#stopPolling ??= this.#options.clock.setInterval(PROGRESS_INTERVAL_MS, () => this.#poll())
    const ended = this.#run(staging).finally(() => {
      this.#active.delete(assignmentId)
      this.#ends.delete(assignmentId)
      if (this.#closing) return
      this.#options.onEnded(staging.commits)
      for (const late of staging.unanswered) this.#inBackground(this.#inTurn(late))
    })
    this.#ends.set(assignmentId, ended)
  }

  async #run(staging: Staging): Promise<void> {
    const { log, clock } = this.#options
    const { assignmentId, site, ref } = staging
    const startedMs = clock.monotonicMs()
    try {
      await staging.turn()
      await this.#places.take(staging.signal)
      try {
        log.info({ assignmentId, site, release: ref.release }, 'staging begun')
        await this.#execute(staging)
        await this.#succeed(staging)
        const facts = { assignmentId, site, release: ref.release, bytesFetched: staging.bytesFetched }
        log.info({ ...facts, elapsedMs: Math.round(clock.monotonicMs() - startedMs) }, 'staged')
      } finally {
        this.#places.give()
      }
    } catch (error) {
      // The session may know better than the execution why nothing came.
      this.#poll()
      await this.#fail(staging, staging.cause ?? toEngineError(error))
    }
  }

  /** From nothing, or what an earlier start left, to a release that stands whole. */
  async #execute(staging: Staging): Promise<void> {
    const { ledger, paths, plane, releases, turns, publicKey } = this.#options
    const { assignmentId, site, ref, base, chunkBytes } = staging
    await turns.run(site, () => releases.makeWay(site, ref, this.inUse(site)))
    await ledger.record({ type: 'begun', assignmentId, site, ...ref })
    staging.checkGoing()
    this.#lingering.close(assignmentId)
    const streamPath = paths.stream(assignmentId)
    const vouchPath = paths.vouches(assignmentId)
    const fetching = { assignmentId, path: streamPath, vouchPath, chunkBytes, publicKey: publicKey() }
    const { plan: planned, pace } = staging
    const session = await plane.openReceiver({ ...fetching, plan: planned, pace })
    staging.session = session
    if (staging.plan !== planned) plane.setPlan(session, staging.plan)
    if (staging.pace !== pace) plane.setPace(session, staging.pace)
    staging.checkGoing()
    const execution = plane.apply({
      session,
      streamPath,
      assignmentId,
      baseDirectory: base === null ? null : paths.release(site, base.release),
      baseTreePath: base === null ? null : paths.tree(site, base.release),
      targetDirectory: paths.release(site, ref.release),
      treePath: paths.tree(site, ref.release),
    })
    staging.follow(execution)
    const { treeHash } = await execution.result()
    if (treeHash === ref.treeHash) return
    await turns.run(site, () => releases.drop(site, ref.release, this.inUse(site)))
    throw new EngineError('ENGINE_ERR_TREE_MISMATCH', { why: `it is ${treeHash}, not ${ref.treeHash}` })
  }

  async #succeed(staging: Staging): Promise<void> {
    const { ledger, reports, clock } = this.#options
    const { site, ref } = staging
    this.#poll()
    const isReplaced = illnessOf(ledger.state, site, ref) !== null
    const told = staging.receiptTold
    staging.receiptTold = true
    const kinds: Report['kind'][] = told ? ['completion'] : ['receipt', 'completion']
    await reports.tell([{ type: 'staged', site, ...ref }], this.#reportsOf(staging, kinds, staging.takeCommands()))
    this.#options.onHoldings()
    if (isReplaced) this.#options.releases.replaced(site, ref.release, () => this.inUse(site))
    if (staging.session === null) return
    const { assignmentId, session } = staging
    const live = ledger.state.sites.get(site)?.live ?? null
    this.#lingering.add(session, { assignmentId, site, release: ref.release }, clock.monotonicMs())
    if (live !== null && live.release > ref.release) await this.#lingering.end(session)
  }

  async #fail(staging: Staging, error: EngineError): Promise<void> {
    const { plane, log, reports } = this.#options
    const { assignmentId, site, ref } = staging
    if (staging.session !== null) plane.closeSession(staging.session)
    if (this.#closing) return
    log.warn({ err: error, assignmentId, site, release: ref.release }, 'staging failed')
    if (isWasted(error.code)) {
      await this.#forget(assignmentId).catch((failure: unknown) => {
        log.warn({ err: toEngineError(failure), assignmentId }, 'what was fetched cannot be removed')
      })
    }
    const outcome = failureOf(error, staging.bytesFetched)
    const commands = staging.takeCommands()
    await reports.tellFailure(
      [],
      commands.map((command) => reports.make(answeredOf(command), outcome)),
    )
  }

  async #refuse(command: Stage, error: EngineError): Promise<void> {
    const { reports } = this.#options
    await reports.tellFailure([], [reports.make(answeredOf(command), failureOf(error))])
  }

  #reportsOf({ bytesFetched }: Staging, kinds: readonly Report['kind'][], commands: readonly Stage[]): Report[] {
    const { reports } = this.#options
    return kinds.flatMap((kind) =>
      commands.map((command) => reports.make(answeredOf(command), { kind, bytesFetched, output: null, error: null })),
    )
  }

  #poll(): void {
    if (this.#active.size === 0 && this.#lingering.size === 0) {
      this.#stopPolling?.()
      this.#stopPolling = null
      return
    }
    const nowMs = this.#options.clock.monotonicMs()
    const bySession = this.#statuses()
    for (const staging of this.#active.values()) {
      staging.look(this.#options.isConnected(), nowMs)
      const status = staging.session === null ? undefined : bySession.get(staging.session)
      if (status !== undefined) this.#observe(staging, status, nowMs)
    }
    for (const session of this.#lingering.idle(bySession, nowMs)) this.#inBackground(this.#lingering.end(session))
  }

  #statuses(): ReadonlyMap<number, SessionStatus> {
    try {
      return new Map(this.#options.plane.poll().map((status) => [status.session, status]))
    } catch (error) {
      this.#options.log.error({ err: toEngineError(error) }, 'the relay does not say how it stands')
      return new Map()
    }
  }

  #observe(staging: Staging, status: SessionStatus, nowMs: number): void {
    const progress = staging.observe(status, nowMs)
    if (progress !== null) this.#options.send(progress)
    if (!status.complete || staging.receiptTold) return
    staging.receiptTold = true
    this.#inBackground(this.#options.reports.tell([], this.#reportsOf(staging, ['receipt'], staging.commands)))
  }

  async #forget(assignmentId: string): Promise<void> {
    const { ledger, releases } = this.#options
    await releases.removeFiles(assignmentId)
    if (ledger.state.begun.has(assignmentId)) await ledger.record({ type: 'ended', assignmentId })
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.log.error({ err: toEngineError(error) }, 'what had to be recorded could not be')
    })
  }
}
