// In: sessions and plans from the transfer of an assignment. Out: chunks on sockets, figures when asked.
// Never: a payload byte in JavaScript, a callback for each chunk; a second thread of Node that opens a relay.
import { guarded, guardedAsync } from './fault.js'
import type { RawRelay } from './load.js'
import { engine } from './load.js'
import type { PeerRef } from '../model/node.js'
import { type Pace, usualPace } from '../model/pace.js'
import type { NodePlan } from '../model/plan.js'
import type { Measured } from '../model/rate.js'

export interface RelayOptions {
  /** Address to listen on, numeric. */
  readonly host: string
  /** 0: any free port; the relay's `port` says which. */
  readonly port: number
  /** 32 hexadecimal digits. */
  readonly nodeId: string
  readonly name: string
  readonly role: 'coordinator' | 'node'
}

export interface SourceSessionOptions {
  readonly assignmentId: string
  /** The assignment's stream; it may still grow. */
  readonly path: string
  readonly chunkBytes: number
  /** The coordinator's ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly plan: NodePlan
  /** Vouches written by an earlier pack: all of them are read back, so that a finished stream is served at once. */
  readonly vouchPath?: string | null
  /** Absent: without a limit of its own. */
  readonly pace?: Pace | undefined
}

export interface ReceiverSessionOptions {
  readonly assignmentId: string
  readonly path: string
  readonly vouchPath: string
  readonly chunkBytes: number
  readonly publicKey: Uint8Array
  readonly plan: NodePlan
  /** Absent: without a limit of its own. */
  readonly pace?: Pace | undefined
}

/** A connection whose caller wants to talk; nothing was read of what it says. */
export interface TakenTalk {
  readonly number: number
  /** A socket that does not block; whoever took it closes it. */
  readonly fd: number
  /** Who the caller says it is, checked by nobody. */
  readonly nodeId: string
  readonly name: string
}

/** Why a session stands still for ever. */
export interface SessionFailure {
  readonly code: string
  readonly message: string
}

/** What went to one child; counters grow from when it connected. */
export interface ChildLink {
  readonly nodeId: string
  readonly sentBytes: number
  /** How long there was something that it had not acknowledged. */
  readonly busyMs: number
  /** When the system was asked, by a clock of the session's own: not at every look is there news. */
  readonly askedMs: number
}

/** One session as it stood 50 ms ago at most; counters only grow. */
export interface SessionStatus {
  readonly session: number
  readonly assignmentId: string
  /** What an earlier session left in the file is being checked. */
  readonly restoring: boolean
  readonly bytesHave: number
  readonly chunksHave: number
  /** Null until the end of the stream is vouched for. */
  readonly chunkCount: number | null
  readonly complete: boolean
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly duplicateChunks: number
  readonly corruptChunks: number
  /** Links closed because of what came over them, corrupt chunks among them; and the last one's reason. */
  readonly faultyLinks: number
  readonly lastFault: string | null
  /** Ids of the nodes that this one is connected to as a child. */
  readonly parents: readonly string[]
  /** Whom it serves in a strand. */
  readonly children: readonly ChildLink[]
  readonly failure: SessionFailure | null
}

/** The process's end of the data plane: one listening socket, one native thread for each session. */
export class Relay {
  readonly host: string
  readonly port: number
  readonly #raw: RawRelay
  #closing: Promise<void> | null = null

  /** @throws {EngineError} ENGINE_ERR_PORT_IN_USE, ENGINE_ERR_LISTEN; in a second thread ENGINE_ERR_CONFLICT. */
  constructor(options: RelayOptions) {
    this.#raw = guarded(() => new (engine().Relay)(options))
    this.host = this.#raw.host
    this.port = this.#raw.port
  }

  /** False once the system has taken the listening socket away; open sessions go on. */
  get isListening(): boolean {
    return this.#raw.isListening
  }

  /** Serves an assignment's file to whoever the plan lets attach; `vouch` says which chunks are in it. */
  openSource(options: SourceSessionOptions): number {
    const { vouchPath = null, pace = usualPace } = options
    return guarded(() => this.#raw.openSource({ ...options, vouchPath, pace }))
  }

  /** Fetches an assignment; goes on from what an earlier session left in the file, once that is hashed again. */
  openReceiver(options: ReceiverSessionOptions): Promise<number> {
    return guardedAsync(() => this.#raw.openReceiver({ ...options, pace: options.pace ?? usualPace }))
  }

  /** Hands a source session a signed vouch: its chunks are in the file and may be sent. */
  vouch(session: number, vouch: Uint8Array): void {
    guarded(() => this.#raw.vouch(session, vouch))
  }

  setPlan(session: number, plan: NodePlan): void {
    guarded(() => this.#raw.setPlan(session, plan))
  }

  /** Changes how fast a session sends; the chunks that it has begun are ended. */
  setPace(session: number, pace: Pace): void {
    guarded(() => this.#raw.setPace(session, pace))
  }

  /** Limits what all sessions send together, in bits of content a second; null: no limit. */
  setRate(rateBps: number | null): void {
    guarded(() => this.#raw.setRate(rateBps))
  }

  /**
   * Measures what can be sent to a peer now, by bytes that are thrown away there: a short train, or many for seconds.
   * @throws {EngineError} ENGINE_ERR_PROBE_FAILED, ENGINE_ERR_NATIVE_CLOSED.
   */
  probe(to: PeerRef, isBulk: boolean): Promise<Measured> {
    return guardedAsync(() => this.#raw.probe({ to, isBulk }))
  }

  /** All sessions in one call; cheap enough for a timer of 100 ms. */
  poll(): readonly SessionStatus[] {
    return guarded(() => this.#raw.poll())
  }

  /** Takes in callers that want to talk, which are refused before; calls back when some wait. */
  openTalks(onWaiting: () => void): void {
    guarded(() => this.#raw.openTalks(onWaiting))
  }

  /** The talk that has waited longest; null when none waits. It counts as under way until `endTalk`. */
  takeTalk(): TakenTalk | null {
    return guarded(() => this.#raw.takeTalk())
  }

  /** The socket of a talk is closed: others may have its place. */
  endTalk(number: number): void {
    guarded(() => this.#raw.endTalk(number))
  }

  /** Ends a session; its files stay. Returns at once; unknown sessions are ignored. */
  closeSession(session: number): void {
    guarded(() => this.#raw.closeSession(session))
  }

  /** Ends every session and joins every thread. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= guardedAsync(() => this.#raw.close())
    return this.#closing
  }

  /** For `Applying` alone: what the native side follows a session by. */
  get raw(): RawRelay {
    return this.#raw
  }
}
