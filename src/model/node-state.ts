import type { CommandState, CommandType } from './job.js'
import type { NodeSite } from './node.js'

/** Where one command stands on the node that was asked. */
export interface NodeCommand {
  readonly jobId: string
  /** Of the command in its job. */
  readonly number: number
  readonly state: CommandState
  /** Bytes of what it fetches that it has; 0 for a command that fetches nothing. */
  readonly bytesHave: number
  /** The node that brought it; absent: the coordinator. */
  readonly via?: string | undefined
}

/** A node's answer to a query. */
export interface NodeAnswer {
  /** What it was told and knows of: over, waiting, under way. */
  readonly commands: readonly NodeCommand[]
  readonly sites: readonly NodeSite[]
}

/** One command of a running job on the node that was asked. */
export interface NodeCommandView extends NodeCommand {
  readonly site: string
  readonly type: CommandType
}

/** What a node answered, put beside the jobs that run. */
export interface NodeStateView {
  readonly nodeId: string
  readonly name: string
  readonly atMs: number
  /** Time until its answer. */
  readonly tookMs: number
  /** Every command of every running job that it is part of, oldest job first. */
  readonly commands: readonly NodeCommandView[]
  readonly sites: readonly NodeSite[]
}
