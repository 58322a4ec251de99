import type { JobView } from '../model/job.js'
import type { ReleaseRef } from '../model/node.js'
import type { AssignmentRecord } from '../store/assignments.js'
import type { JobRecord } from '../store/jobs.js'
import type { NodePart } from '../track/fold.js'
import { toJobNode } from '../track/fold.js'
import { Bell } from './bell.js'

/** A job that has not ended, with its nodes' parts. */
export class LiveJob {
  record: JobRecord
  /** The assignment on its way; null before and for a rollback. */
  assignment: AssignmentRecord | null = null
  /** Hash of the release that the assignment builds on; null: it builds on none. */
  baseTreeHash: string | null = null
  /** The shadow holds this job's release: it can be packed whole for nodes that lack the base. */
  shadowStaged = false
  commitAsked = false
  /** Its next event has an id and is being written: nothing newer is told before it. */
  moving = false
  /** A part changed since watchers were told. */
  changed = false
  /** By the clock that never goes back: from when nodes that get nowhere are given up. */
  waitingSinceMs: number
  /** By the same clock: from when all of it could be sent, so that nodes which get nowhere are given up. */
  allPackedAtMs = 0
  running: Promise<void> | null = null
  readonly controller = new AbortController()
  readonly bell = new Bell()
  readonly #parts = new Map<string, NodePart>()
  readonly #unsaved = new Set<string>()
  readonly #movedAtMs = new Map<string, number>()

  constructor(record: JobRecord, parts: readonly NodePart[], nowMs: number) {
    this.record = record
    this.waitingSinceMs = nowMs
    for (const part of parts) this.#parts.set(part.nodeId, part)
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

  get parts(): readonly NodePart[] {
    return [...this.#parts.values()]
  }

  part(nodeId: string): NodePart | undefined {
    return this.#parts.get(nodeId)
  }

  /** Takes over a node's part; whoever waits for the nodes looks again. */
  setPart(part: NodePart, nowMs: number): void {
    const before = this.#parts.get(part.nodeId)
    if (before === part) return
    this.#parts.set(part.nodeId, part)
    this.changed = true
    if (before === undefined || before.bytesHave !== part.bytesHave || before.state !== part.state) {
      this.#movedAtMs.set(part.nodeId, nowMs)
    }
    if (before?.state !== part.state || before.reason !== part.reason) {
      this.#unsaved.add(part.nodeId)
      this.bell.ring()
    }
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
    return toView(this.record, this.parts)
  }
}

/** A job as clients see it. Pure. */
export function toView(record: JobRecord, parts: readonly NodePart[]): JobView {
  const { directory: _directory, treeHash: _treeHash, ...facts } = record
  const nodes = parts.map(toJobNode).sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...facts, nodes }
}
