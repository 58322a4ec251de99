import type { RepairPolicy } from './account.js'
import type { Canary, CanaryPolicy } from './canary.js'
import { type EditRequest, editTypes, isEdit } from './edit.js'
import type { StrategyName } from './plan.js'
import type { Callback } from './webhook.js'

/** `open` has its site and waits for commands, `staged` for a commit; the last four are final. */
export const jobStates = [
  'queued',
  'open',
  'packing',
  'distributing',
  'staged',
  'committing',
  'ending',
  'succeeded',
  'partial',
  'failed',
  'aborted',
] as const
export type JobState = (typeof jobStates)[number]

/** Until a switch is decided, and between two commands, a job may be aborted. */
export const abortableStates: ReadonlySet<JobState> = new Set(['queued', 'open', 'packing', 'distributing', 'staged'])

export const commandTypes = ['publish', 'commit', 'rollback', 'run-hook', 'verify', ...editTypes, 'end-job'] as const
export type CommandType = (typeof commandTypes)[number]

/** What a client asks a job to do, one after the other. */
export type CommandRequest =
  /**
   * Bring a directory, absolute, on the coordinator's machine, or what an upload describes, to every node; nothing
   * switches. One of both is null when it is asked for; an upload has a directory that stands for it.
   */
  | { readonly type: 'publish'; readonly directory: string | null; readonly upload: string | null }
  /** Make live what the last `publish` has brought. */
  | { readonly type: 'commit' }
  /** Make an older release live; null: the one that was live before. */
  | { readonly type: 'rollback'; readonly release: number | null }
  /** Run a hook that the nodes declare. */
  | { readonly type: 'run-hook'; readonly hook: string; readonly args: Readonly<Record<string, string>> }
  /** Compare what nodes serve (null: what is live) with what was promised, reading at most `rateBps`. */
  | {
      readonly type: 'verify'
      readonly release: number | null
      readonly rateBps: number | null
      readonly repair: boolean
    }
  /** Change single paths of the site; nothing switches. */
  | EditRequest
  /** Close the session: nothing is added after it. */
  | { readonly type: 'end-job' }

/** On one node, and of a whole job: a job's command is completed when it waits for no node any longer. */
export const commandStates = ['new', 'in-progress', 'completed', 'failed'] as const
export type CommandState = (typeof commandStates)[number]

/** One command of a job. */
export interface JobCommand {
  /** 1, 2, … in the order in which they were asked for and are carried out. */
  readonly number: number
  readonly request: CommandRequest
  readonly state: CommandState
  /** Release that it brought or made live. */
  readonly release: number | null
  readonly error: JobError | null
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
}

/** Whether a job brings a release of its own. */
export const isPublish = ({ commands }: Pick<JobView, 'commands'>): boolean =>
  commands.some(({ request }) => bringsNew(request))

/** Whether a command has a release made that was not there before. */
export const bringsNew = (request: CommandRequest): boolean => request.type === 'publish' || isEdit(request)

/** Whether a command has made a release live. */
export const hasSwitched = ({ state, request: { type } }: JobCommand): boolean =>
  state === 'completed' && (type === 'commit' || type === 'rollback')

/** One command of a job, and where every node stands with it. */
export interface CommandView extends JobCommand {
  readonly nodes: readonly CommandOnNode[]
}

/** One command on one node. */
export interface CommandOnNode {
  readonly nodeId: string
  readonly name: string
  readonly state: CommandState
  /** Why it failed or is missing. */
  readonly reason: string | null
  readonly output: string | null
}

export const commitKinds = ['together', 'each'] as const
export const conflictKinds = ['queue', 'fail', 'supersede'] as const

/** A time of day, every day, in minutes after midnight; over midnight when its end is before its beginning. */
export interface TimeWindow {
  readonly fromMinute: number
  readonly toMinute: number
}

export interface JobPolicy {
  /** Refuse when more than this share (0–1) of the live files would be deleted. */
  readonly maxDeleteRatio: number
  /** Let an empty staging tree through. */
  readonly allowEmpty: boolean
  /** Share (0–1) of the group's nodes that must hold the release before any switches. */
  readonly quorum: number
  readonly strategy: StrategyName
  /** Of `handout` and `cascade`: servers that each serves at once; absent: as many as its uplink bears. */
  readonly fanout?: number | undefined
  /** Of `chain`, `handout` and `cascade`: names of nodes, who go first, in this order; absent: the fastest does. */
  readonly order?: readonly string[] | undefined
  /** Of `handout` and `cascade`: links of which nothing fresh is known are measured first; absent: they are not. */
  readonly probe?: boolean | undefined
  /** `each`: a node goes live when it is complete; absent, and `together`: all at once. */
  readonly commit?: (typeof commitKinds)[number] | undefined
  /** Not decided so long after it might have started: it fails; decided: nobody is waited for. Absent: no limit. */
  readonly deadlineMs?: number | undefined
  /** What another job of the site that runs or waits means; absent, and `queue`: this one waits for it. */
  readonly onConflict?: (typeof conflictKinds)[number] | undefined
  /** It starts then, by the wall clock; absent: at once. */
  readonly startAtMs?: number | undefined
  /** It starts within it, by the coordinator's local time; absent: whenever. */
  readonly window?: TimeWindow | undefined
  /** Who switches first, and for how long nobody else does; absent: all switch together. */
  readonly canary?: CanaryPolicy | undefined
  /** Before its end, who has not reported is asked this often; absent: END_PERIOD_MS_DEFAULT. */
  readonly periodMs?: number | undefined
  /** How fast each sender sends it at most: `5M`, `off`. Absent: as its own limit allows. */
  readonly bwlimit?: string | undefined
  /** Its part of what a sender may send beside other jobs, 1 to PRIORITY_MAX; absent: PRIORITY_DEFAULT. */
  readonly priority?: number | undefined
  /** What is tried then for who errs or is silent; absent: all of it, each once. */
  readonly repair?: RepairPolicy | undefined
}

/** What a client opens a job with. */
export interface JobRequest {
  readonly site: string
  /** Null: the group that the site belongs to. */
  readonly group: string | null
  /** Names of nodes; null: all that serve the site. */
  readonly only: readonly string[] | null
  readonly reason: string | null
  readonly policy: JobPolicy
  /** The first commands; more may follow until `end-job`. */
  readonly commands: readonly CommandRequest[]
  /** Where its end is told; it is in no view of the job. Absent or null: nowhere. */
  readonly callback?: Callback | null | undefined
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
  readonly site: string
  readonly group: string
  readonly only: readonly string[] | null
  readonly state: JobState
  readonly commands: readonly JobCommand[]
  /** Release that its last publish or rollback makes live; null until it has a number. */
  readonly release: number | null
  readonly baseRelease: number | null
  readonly reason: string | null
  readonly policy: JobPolicy
  readonly changes: ChangeSummary | null
  readonly assignment: AssignmentRef | null
  /** Who served its release before all others; absent and null: nobody. */
  readonly canary?: Canary | null | undefined
  /** Its content is not sent until it is resumed; absent: it is. */
  readonly paused?: boolean | undefined
  readonly createdAtMs: number
  readonly finishedAtMs: number | null
  /** Set when it failed or is partial. */
  readonly error: JobError | null
  /** What a queued job waits for: `job ID`, `time …`, `window …` or `hold: REASON`; null when it waits for nothing. */
  readonly waitsFor: string | null
  readonly nodes: readonly JobNode[]
}

export interface JobError {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/**
 * `behind`: it did not answer in time and gets what it missed when it returns; `departed`: it is among the job's nodes
 * no longer, and counts in nothing.
 */
export const jobNodeStates = ['new', 'receiving', 'received', 'staged', 'live', 'behind', 'failed', 'departed'] as const
export type JobNodeState = (typeof jobNodeStates)[number]

/** Those that count: who departed while a job ran is told of, and is none of its nodes any more. Pure. */
export const remainingOf = <T extends Pick<JobNode, 'state'>>(nodes: readonly T[]): readonly T[] =>
  nodes.filter(({ state }) => state !== 'departed')

/** How many nodes are in each state; of a state that none is in it says nothing. Pure. */
export function countByState(nodes: readonly Pick<JobNode, 'state'>[]): JobNodeCounts {
  const counts: Partial<Record<JobNodeState, number>> = {}
  for (const { state } of nodes) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

export type JobNodeCounts = Readonly<Partial<Record<JobNodeState, number>>>

/** One node's part in one job. */
export interface JobNode {
  readonly nodeId: string
  readonly name: string
  readonly segment: string
  readonly state: JobNodeState
  readonly bytesHave: number
  readonly rateBps: number
  /** Why it is behind, failed or departed; null otherwise. */
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
