import type { EngineError } from '../base/errors.js'
import { nextCommand } from '../jobs/commands.js'
import {
  bringsNew,
  type CommandRequest,
  type CommandState,
  hasSwitched,
  type JobCommand,
  type JobView,
  remainingOf,
} from '../model/job.js'
import type { ReleaseRef } from '../model/node.js'
import type { AssignmentRecord } from '../store/assignments.js'
import type { CommandPatch } from '../store/commands.js'
import type { JobRecord } from '../store/jobs.js'
import type { NodePart } from '../track/fold.js'
import { newPart, toJobNode } from '../track/fold.js'
import { Bell } from './bell.js'
import type { Effects } from './executing.js'
import type { Regrouped } from './regrouping.js'

/** Edits that were applied to what is live. */
export interface Draft {
  /** Number of the last of them. */
  readonly through: number
  readonly treePath: string
  /** Number of the one that cannot be, and why; null: all can. */
  readonly failed: { readonly number: number; readonly error: EngineError } | null
}

/** A node's run of the hook that restarts it. */
export interface Restart {
  readonly number: number
  readonly state: CommandState
  /** Why it failed. */
  readonly reason: string | null
}

/** A job that has not ended, with its nodes' parts. */
export class LiveJob {
  record: JobRecord
  commands: readonly JobCommand[]
  /** What changed of its commands and is written with the next step: a crash in between repeats the step. */
  readonly deferred: CommandPatch[] = []
  /** The command that is carried out on each node by itself; null: none is. */
  effects: Effects | null = null
  /** By node: the hook that restarts it is at work. */
  readonly restarts = new Map<string, Restart>()
  /** The assignment on its way; null before and for a rollback. */
  assignment: AssignmentRecord | null = null
  /** Hash of the release that the assignment builds on; null: it builds on none. */
  baseTreeHash: string | null = null
  /** What its edits come to, as far as that is known. */
  draft: Draft | null = null
  /** The shadow holds this job's release: it can be packed whole for nodes that lack the base. */
  shadowStaged = false
  /** Its next event has an id and is being written: nothing newer is told before it. */
  moving = false
  /** Steps and additions, one after the other: events are told in the order of their ids. */
  turn: Promise<unknown> = Promise.resolve()
  /** What it waits for while it is queued. */
  waitsFor: string | null = null
  /** A part changed since watchers were told. */
  changed = false
  /** By the clock that never goes back: from when nodes that get nowhere are given up. */
  waitingSinceMs: number
  /** By the same clock: from when all of it could be sent, so that nodes which get nowhere are given up. */
  allPackedAtMs = 0
  running: Promise<void> | null = null
  /** By the clock that never goes back: since when it is open and nothing is asked of it; null: it is not so. */
  idleSinceMs: number | null = null
  /** It was paused in this life, or resumed. */
  wasPaused = false
  /** Nobody is waited for any longer once it ends. */
  isHurried = false
  /** Who has joined or departed, until that is on record. */
  readonly regrouped: Regrouped[] = []
  readonly controller = new AbortController()
  readonly bell = new Bell()
  readonly #parts = new Map<string, NodePart>()
  /** The same as a list, until one changes. */
  #list: readonly NodePart[] | null = null
  readonly #unsaved = new Set<string>()
  /** Nodes whose word that they are live is on record, with the number of the command that it answers. */
  readonly #proven = new Set<string>()
  readonly #movedAtMs = new Map<string, number>()

  constructor(
    record: JobRecord,
    of: { readonly commands: readonly JobCommand[]; readonly parts: readonly NodePart[] },
    nowMs: number,
  ) {
    this.record = record
    this.commands = of.commands
    this.waitingSinceMs = nowMs
    for (const part of of.parts) this.#parts.set(part.nodeId, part)
  }

  get id(): string {
    return this.record.id
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** What it makes live; null until that has a number and a hash. */
  get release(): ReleaseRef | null {
    const { release, treeHash } = this.record
    return release === null || treeHash === null ? null : { release, treeHash }
  }

  /** The command that is, or is to be, carried out next. */
  get next(): JobCommand | undefined {
    return nextCommand(this.commands)
  }

  /** The command that has its release staged where it is missing. */
  get stageNumber(): number {
    const staging = this.commands.filter(({ state, request }) => state !== 'new' && bringsRelease(request))
    return staging.at(-1)?.number ?? 1
  }

  /** A commit or a rollback of it has been decided and is over. */
  get hasSwitched(): boolean {
    return this.commands.some(hasSwitched)
  }

  /** Notes what became of a command; it is durable with the next step. */
  defer(patch: CommandPatch): void {
    this.deferred.push(patch)
    this.commands = patched(this.commands, [patch])
  }

  /** Every node that remains begins anew: another release is on its way. */
  renewParts(nowMs: number): void {
    for (const { nodeId: id, name, segment } of this.remaining) this.setPart(newPart({ id, name, segment }), nowMs)
  }

  get parts(): readonly NodePart[] {
    this.#list ??= [...this.#parts.values()]
    return this.#list
  }

  /** Without those that have departed. */
  get remaining(): readonly NodePart[] {
    return remainingOf(this.parts)
  }

  part(nodeId: string): NodePart | undefined {
    return this.#parts.get(nodeId)
  }

  /** Takes over a node's part; whoever waits for the nodes looks again. */
  setPart(part: NodePart, nowMs: number): void {
    const before = this.#parts.get(part.nodeId)
    if (before === part) return
    this.#parts.set(part.nodeId, part)
    this.#list = null
    this.changed = true
    if (before === undefined || before.bytesHave !== part.bytesHave || before.state !== part.state) {
      this.#movedAtMs.set(part.nodeId, nowMs)
    }
    if (before?.state !== part.state || before.reason !== part.reason) {
      this.#unsaved.add(part.nodeId)
      this.bell.ring()
    }
  }

  /** A node's completion of a commit or a rollback is on record. */
  prove(nodeId: string, number: number): void {
    this.#proven.add(`${number} ${nodeId}`)
  }

  isProven(nodeId: string, number: number): boolean {
    return this.#proven.has(`${number} ${nodeId}`)
  }

  /** When a part last got anywhere. */
  movedAtMs(nodeId: string): number {
    return Math.max(this.#movedAtMs.get(nodeId) ?? 0, this.waitingSinceMs, this.allPackedAtMs)
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0
  }

  /** Has the parts written whose state is not in the database yet; what fails is written with the next. */
  async saveParts(write: (unsaved: readonly NodePart[]) => Promise<void>): Promise<void> {
    const unsaved = this.parts.filter((part) => this.#unsaved.has(part.nodeId))
    this.#unsaved.clear()
    try {
      await write(unsaved)
    } catch (error) {
      for (const { nodeId } of unsaved) this.#unsaved.add(nodeId)
      throw error
    }
  }

  get view(): JobView {
    const waitsFor = this.record.state === 'queued' ? this.waitsFor : null
    return { ...toView(this.record, this.commands, this.parts), waitsFor }
  }
}

/** A job as clients see it. Pure. */
export function toView(record: JobRecord, commands: readonly JobCommand[], parts: readonly NodePart[]): JobView {
  const { treeHash: _treeHash, ...facts } = record
  const nodes = parts.map(toJobNode).sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...facts, commands, waitsFor: null, nodes }
}

/** Commands after changes to some of them. Pure. */
export function patched(commands: readonly JobCommand[], patches: readonly CommandPatch[]): readonly JobCommand[] {
  return commands.map((command) =>
    patches
      .filter(({ number }) => number === command.number)
      .reduce<JobCommand>((all, patch) => ({ ...all, ...patch }), command),
  )
}

const bringsRelease = (request: CommandRequest): boolean => bringsNew(request) || request.type === 'rollback'
