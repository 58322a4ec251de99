// In: assignments to be sent, vouches as they are packed, the nodes they go to. Out: open relay sessions, each
// node's part of the plan, figures when asked.
// Never: a payload byte, a choice of strategy (the planner is put in), a message to a node.
import type { Logger } from '../base/log.js'
import type { PeerRef } from '../model/node.js'
import type { Pace } from '../model/pace.js'
import type { Measured } from '../model/rate.js'
import type { PlanEvent, PlanNode, PlanPart } from '../model/plan.js'
import type { Relay, SessionStatus } from '../native/relay.js'
import { type CountOf, type Planner, Plans, type TransferNode } from './plans.js'

export type { Planner, TransferNode } from './plans.js'

export interface TransfersOptions {
  readonly relay: Relay
  /** The relay as nodes reach it. */
  readonly source: PeerRef
  /** Key that assignments are signed with, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly log: Logger
}

export interface TransferOrder {
  readonly assignmentId: string
  /** The stream; it may still grow. */
  readonly path: string
  /** Vouches of a stream that is whole; null: they come one by one, by `vouch`. */
  readonly vouchPath: string | null
  readonly chunkBytes: number
  /** The release that it makes. */
  readonly about: { readonly site: string; readonly release: number }
  /** Nodes that it goes to from the start; others may join. */
  readonly nodes: readonly TransferNode[]
  readonly planner: Planner
  /** Absent: as the relay's own limit allows. */
  readonly pace?: Pace | undefined
}

/** One assignment on its way: a source session and the plan around it. */
export class Transfer {
  readonly assignmentId: string
  readonly about: TransferOrder['about']
  readonly relay: Relay
  readonly session: number
  readonly #plans: Plans

  constructor(order: TransferOrder, options: TransfersOptions) {
    this.assignmentId = order.assignmentId
    this.about = order.about
    this.relay = options.relay
    this.#plans = new Plans(order.planner, options.source, order.nodes)
    this.session = options.relay.openSource({
      assignmentId: order.assignmentId,
      path: order.path,
      chunkBytes: order.chunkBytes,
      publicKey: options.publicKey,
      plan: this.#plans.ofSource,
      vouchPath: order.vouchPath,
      pace: order.pace,
    })
  }

  /** Chunks are in the file: they may be sent. */
  vouch(vouch: Uint8Array): void {
    this.relay.vouch(this.session, vouch)
  }

  /** How fast it is sent from here. */
  setPace(pace: Pace): void {
    this.relay.setPace(this.session, pace)
  }

  /** Uplinks count differently now. @returns the parts that have to be told. */
  reweigh(countOf: CountOf, isKnown: boolean): readonly PlanPart[] {
    const changed = this.#plans.reweigh(countOf, isKnown)
    // There may be more strands now, or fewer.
    if (changed.length > 0) this.relay.setPlan(this.session, this.#plans.ofSource)
    return changed
  }

  /** The part of a node, and those of others that have to be told because it moved. */
  partOf(node: TransferNode): { readonly part: PlanPart; readonly changed: readonly PlanPart[] } {
    return this.#plans.partOf(node)
  }

  /** What has befallen nodes. @returns the parts that have to be told. */
  take(events: readonly PlanEvent[]): readonly PlanPart[] {
    return this.#plans.take(events)
  }

  /** Nodes wait for their turn, which comes by what is told of others. */
  get givesTurns(): boolean {
    return this.#plans.givesTurns
  }

  /** Who takes part in the plan. */
  get members(): Iterable<PlanNode> {
    return this.#plans.members
  }

  /** A member's part as it is now; null: it is none. */
  find(nodeId: string): PlanPart | null {
    return this.#plans.find(nodeId)
  }
}

/** All assignments that are on their way, at most one session each. */
export class Transfers {
  readonly #options: TransfersOptions
  readonly #open = new Map<string, Transfer>()

  constructor(options: TransfersOptions) {
    this.#options = options
  }

  /** Opens a session, or gives the one that is open. @throws {EngineError} what the relay refuses. */
  open(order: TransferOrder): Transfer {
    const known = this.#open.get(order.assignmentId)
    if (known !== undefined) return known
    const transfer = new Transfer(order, this.#options)
    this.#open.set(order.assignmentId, transfer)
    const { assignmentId, nodes } = order
    this.#options.log.info({ assignmentId, nodeCount: nodes.length }, 'transfer opened')
    return transfer
  }

  get(assignmentId: string): Transfer | undefined {
    return this.#open.get(assignmentId)
  }

  /** Ids of the assignments that are on their way. */
  get openIds(): readonly string[] {
    return [...this.#open.keys()]
  }

  /** Ends the session of an assignment; its files stay. Nothing happens when there is none. */
  close(assignmentId: string): void {
    const transfer = this.#open.get(assignmentId)
    if (transfer === undefined) return
    this.#open.delete(assignmentId)
    this.#options.relay.closeSession(transfer.session)
    this.#options.log.info({ assignmentId }, 'transfer closed')
  }

  get all(): readonly Transfer[] {
    return [...this.#open.values()]
  }

  /**
   * Measures what the relay can send to a node now, beside all that it sends anyway.
   * @throws {EngineError} ENGINE_ERR_PROBE_FAILED, ENGINE_ERR_NATIVE_CLOSED.
   */
  probe(to: PeerRef, isBulk: boolean): Promise<Measured> {
    return this.#options.relay.probe(to, isBulk)
  }

  /** False once nobody can begin to fetch from here; open sessions go on. */
  get isListening(): boolean {
    return this.#options.relay.isListening
  }

  /** How every open session stands. */
  poll(): readonly SessionStatus[] {
    return this.#options.relay.poll().filter((status) => this.#open.has(status.assignmentId))
  }

  closeAll(): void {
    for (const assignmentId of this.openIds) this.close(assignmentId)
  }
}
