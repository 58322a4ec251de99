import type { StrategyName } from './plan.js'

export const jobTypes = ['publish', 'rollback'] as const
export type JobType = (typeof jobTypes)[number]

/** `staged` waits for a commit (`--stage-only`); the last four are final. */
export const jobStates = [
  'queued',
  'packing',
  'distributing',
  'staged',
  'committing',
  'succeeded',
  'partial',
  'failed',
  'aborted',
] as const
export type JobState = (typeof jobStates)[number]

export const commandTypes = ['publish', 'commit', 'rollback', 'run-hook', 'verify', 'end-job'] as const
export type CommandType = (typeof commandTypes)[number]

export interface JobPolicy {
  /** Stage everywhere and wait for `commit`. */
  readonly stageOnly: boolean
  /** Refuse when more than this share (0–1) of the live files would be deleted. */
  readonly maxDeleteRatio: number
  /** Let an empty staging tree through. */
  readonly allowEmpty: boolean
  /** Share (0–1) of the group's nodes that must hold the release before any switches. */
  readonly quorum: number
  readonly strategy: StrategyName
}

/** What a client asks for. */
export interface JobRequest {
  readonly type: JobType
  readonly site: string
  readonly group: string
  /** Staging directory, absolute, on the coordinator's machine; null for a rollback and for an upload. */
  readonly directory: string | null
  /** An upload in place of a directory: its id. It may still be arriving. */
  readonly upload?: string | undefined
  /** Release to go back to; null: the one before the live one. */
  readonly release: number | null
  readonly reason: string | null
  readonly policy: JobPolicy
}

/** What a publish changes, counted by the scan. */
export interface ChangeSummary {
  readonly filesAdded: number
  readonly filesChanged: number
  readonly filesDeleted: number
  readonly fileCount: number
  readonly totalBytes: number
}

/** What travels: the assignment as it was packed. */
export interface AssignmentRef {
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly serial: number
  readonly chunkBytes: number
  /** Length of the whole stream; null while it is being packed. */
  readonly streamBytes: number | null
}

/** One job as the coordinator reports it. */
export interface JobView {
  readonly id: string
  readonly type: JobType
  readonly site: string
  readonly group: string
  readonly state: JobState
  /** Release this job makes live; null until it has a number. */
  readonly release: number | null
  readonly baseRelease: number | null
  readonly reason: string | null
  readonly policy: JobPolicy
  readonly changes: ChangeSummary | null
  readonly assignment: AssignmentRef | null
  readonly createdAtMs: number
  readonly finishedAtMs: number | null
  /** Set when it failed or is partial. */
  readonly error: JobError | null
  readonly nodes: readonly JobNode[]
}

export interface JobError {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** `behind`: it did not answer in time and gets what it missed when it returns. */
export const jobNodeStates = ['new', 'receiving', 'received', 'staged', 'live', 'behind', 'failed'] as const
export type JobNodeState = (typeof jobNodeStates)[number]

/** One node's part in one job. */
export interface JobNode {
  readonly nodeId: string
  readonly name: string
  readonly segment: string
  readonly state: JobNodeState
  readonly bytesHave: number
  readonly rateBps: number
  /** Why it is behind or failed; null otherwise. */
  readonly reason: string | null
}

/** A record of what one node did with one command. Receipt: it has it; completion: it has done it. */
export interface Receipt {
  readonly jobId: string
  /** Of the command in its job. */
  readonly number: number
  /** Of the order that it answers; null in records of early coordinators. */
  readonly commandId: string | null
  readonly site: string
  readonly nodeId: string
  readonly nodeName: string
  readonly command: CommandType
  readonly kind: 'receipt' | 'completion' | 'failure'
  /** Null for a command that is not about a release. */
  readonly release: number | null
  readonly treeHash: string | null
  /** By the node's clock. */
  readonly atMs: number
  readonly recordedAtMs: number
  readonly bytesFetched: number
  /** What the command left: OUTPUT_CHARS_MAX at most; null when it leaves nothing. */
  readonly output: string | null
  readonly error: JobError | null
  /** The node's, over what it said (`model/proof`), 128 hexadecimal digits; null by a node that has no key. */
  readonly signature: string | null
  /** The node's ed25519 key then, 64 hexadecimal digits. */
  readonly publicKey: string | null
}
