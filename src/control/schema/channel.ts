// The node channel: one WebSocket a node at /v1/channel, one JSON object a text message.
// In: what a node or the coordinator received. Out: the same, checked. Never: a decision.
import { z } from 'zod'
import { NODE_STATE_COMMANDS_MAX } from '../../base/ending-limits.js'
import {
  ID_CHARS_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  ERROR_CODE_CHARS_MAX,
  HINT_CHARS_MAX,
  HOOKS_MAX,
  MESSAGE_CHARS_MAX,
  NODE_GROUPS_MAX,
  NODE_SITES_MAX,
  OUTPUT_CHARS_MAX,
  PLAN_LIST_MAX,
  RELEASES_TOLD_MAX,
  STRAND_COUNT_MAX,
  TICKET_CHARS_MAX,
} from '../../base/limits.js'
import { BANDWIDTH_CHARS_MAX, PRIORITY_MAX } from '../../base/policy-limits.js'
import { LOAD_MAX } from '../../base/probe-limits.js'
import { FLOWS_MAX, FLOWS_QUIET_MS } from '../../base/transfer-limits.js'
import { commandStates, commandTypes } from '../../model/job.js'
import { fileFetch, filePaging, filePlace, foundFile } from './file.js'
import { hookInfo } from './hook.js'
import { orderNumber, runHook, verify } from './command.js'
import { bandwidthView } from './limit.js'
import { damagedRelease, releaseRef } from './node.js'
import { count, identity, name, publicKey, release, signature, timeMs, treeHash } from './registry.js'
import { verification } from './verification.js'
import { wordBody, wordIndexes, wordServers } from './word.js'

export const CHANNEL_VERSION = 1

/** Numeric. In a plan a wildcard stands for the coordinator, at the address where the node found it. */
export const peerAddress = z.object({ host: z.union([z.ipv4(), z.ipv6()]), port: z.number().int().min(1).max(65535) })
export const peerRef = peerAddress.extend({ nodeId: identity })
export const nodePlan = z.object({
  strandCount: z.number().int().min(1).max(STRAND_COUNT_MAX),
  parents: z.array(z.array(peerRef).max(PLAN_LIST_MAX)).min(1).max(STRAND_COUNT_MAX),
  peers: z.array(peerRef).max(PLAN_LIST_MAX),
  /** Absent: it is not. Early coordinators do not say it. */
  isSlow: z.boolean().optional(),
})
export const nodeSite = z.object({
  site: name,
  live: releaseRef.nullable(),
  held: z.array(releaseRef).max(RELEASES_TOLD_MAX),
  trouble: z.string().max(MESSAGE_CHARS_MAX).optional(),
  /** Early nodes have none. */
  damaged: z.array(damagedRelease).max(RELEASES_TOLD_MAX).optional(),
})
export const channelError = z.object({
  code: z.string().max(ERROR_CODE_CHARS_MAX),
  message: z.string().max(MESSAGE_CHARS_MAX),
  hint: z.string().max(HINT_CHARS_MAX),
})

/** How many want to run on the node's machine, for each core. */
const load = z.number().min(0).max(LOAD_MAX)

/** First message of a node. `ticket` is room for an identity's proof; it is not read yet. */
export const hello = z.object({
  type: z.literal('hello'),
  version: z.number().int(),
  role: z.literal('node'),
  ticket: z.string().max(TICKET_CHARS_MAX).optional(),
  software: z.string().max(ID_CHARS_MAX),
  node: z.object({
    id: identity,
    name,
    groups: z.array(name).max(NODE_GROUPS_MAX),
    segment: name,
    dataAddress: peerAddress,
  }),
  /** Signs its reports; older nodes have none. */
  publicKey: publicKey.optional(),
  sites: z.array(nodeSite).max(NODE_SITES_MAX),
  /** What jobs may name on it; nodes of early releases do not say so when it is nothing. */
  hooks: z.array(hookInfo).max(HOOKS_MAX).optional(),
  /** How fast its relay may send. */
  limit: bandwidthView.optional(),
  load: load.optional(),
})
/** What a node has (receipt), has done (completion) or could not do (failure); sent until acknowledged. */
export const report = z.object({
  type: z.literal('report'),
  reportId: z.number().int().min(1),
  commandId: z.string().max(ID_CHARS_MAX),
  jobId: z.string().max(ID_CHARS_MAX),
  /** Reports in the journals of early nodes have none. */
  number: orderNumber.default(1),
  command: z.enum(commandTypes),
  kind: z.enum(['receipt', 'completion', 'failure']),
  site: name,
  /** Null for a command that is not about a release. */
  release: release.nullable(),
  treeHash: treeHash.nullable(),
  atMs: timeMs,
  bytesFetched: count,
  output: z.string().max(OUTPUT_CHARS_MAX).nullable().default(null),
  error: channelError.nullable(),
  /** Over all of it but `reportId`, with the key of the hello; a node without a key gives none. */
  signature: signature.optional(),
})
/** How far a transfer is, each second at most, and where it is served anew or has all. */
export const progress = z.object({
  type: z.literal('progress'),
  jobId: z.string().max(ID_CHARS_MAX),
  assignmentId: identity,
  bytesHave: count,
  rateBps: count,
  parents: z.array(z.string().max(ID_CHARS_MAX)).max(STRAND_COUNT_MAX),
})
/**
 * What a node sends to whom, while there is more to send than links take; empty once there is no more; null: too little
 * has gone since its last word to tell. In a hurry: out of turn, over a shorter time, because a link has broken down or
 * has nothing more to give.
 */
export const flows = z.object({
  type: z.literal('flows'),
  /** By receiver, nobody twice: who is told of twice would seem to be served by two. */
  flows: z
    .array(z.object({ to: identity, rateBps: count, busyRatio: z.number().min(0).max(1) }))
    .max(FLOWS_MAX)
    .refine((all) => new Set(all.map(({ to }) => to)).size === all.length, 'a receiver is named twice')
    .nullable(),
  hurried: z.boolean().default(false),
  /** While it serves others it may say nothing for so long and is there none the less. */
  quietMs: z.number().int().min(0).max(FLOWS_QUIET_MS).default(0),
})
/** What peers of the node's relay did wrong since it told of it last, at most once a minute. */
export const faults = z.object({ type: z.literal('faults'), corruptChunks: count, faultyLinks: count })
/** How fast the node's relay may send from now on. */
export const limited = z.object({ type: z.literal('limited'), limit: bandwidthView })
/** How busy the node's machine is, now and then. */
export const loaded = z.object({ type: z.literal('load'), load })
/** What came of a `probe`: one of the two is null. */
export const probed = z.object({
  type: z.literal('probed'),
  probeId: z.string().max(ID_CHARS_MAX),
  measured: z.object({ rateBps: count, spanMs: z.number().min(0), bytes: count }).nullable(),
  error: channelError.nullable(),
})
/** All that a node holds of its sites, sent when it changed. */
export const holdings = z.object({ type: z.literal('holdings'), sites: z.array(nodeSite).max(NODE_SITES_MAX) })

/** Damage that a node found, on its own or when it was asked; told once. */
export const drift = z.object({ type: z.literal('drift'), found: verification })
/** What came of a `check`: one of the two is null. */
export const checked = z.object({
  type: z.literal('checked'),
  checkId: z.string().max(ID_CHARS_MAX),
  found: verification.nullable(),
  error: channelError.nullable(),
})

/** Where the commands that a node was told stand, and what it holds: the answer to a `query`. */
export const state = z.object({
  type: z.literal('state'),
  queryId: z.string().max(ID_CHARS_MAX),
  commands: z
    .array(
      z.object({
        jobId: z.string().max(ID_CHARS_MAX),
        number: orderNumber,
        state: z.enum(commandStates),
        bytesHave: count,
        /** The node that brought it; absent: the coordinator. */
        via: name.optional(),
      }),
    )
    .max(NODE_STATE_COMMANDS_MAX),
  sites: z.array(nodeSite).max(NODE_SITES_MAX),
})

/** What a `look` found: one of the two is null. */
export const looked = z.object({
  type: z.literal('looked'),
  lookId: z.string().max(ID_CHARS_MAX),
  found: foundFile.nullable(),
  error: channelError.nullable(),
})
/** A file that was asked for does not come, or broke off. */
export const unsent = z.object({ type: z.literal('unsent'), transferId: identity, error: channelError })

export const fromNode = z.discriminatedUnion('type', [
  hello,
  report,
  progress,
  flows,
  faults,
  limited,
  loaded,
  probed,
  holdings,
  drift,
  checked,
  state,
  looked,
  unsent,
])

export const welcome = z.object({
  type: z.literal('welcome'),
  version: z.number().int(),
  role: z.literal('coordinator'),
  coordinatorId: identity,
  publicKey,
  ticket: z.string().max(TICKET_CHARS_MAX).optional(),
})
export const refuse = z.object({
  type: z.literal('refuse'),
  code: z.string().max(ERROR_CODE_CHARS_MAX),
  message: z.string().max(MESSAGE_CHARS_MAX),
})
const pace = z.object({
  rateBps: z.number().int().min(1).nullable(),
  weight: z.number().int().min(1).max(PRIORITY_MAX),
  isPaused: z.boolean(),
})
/** Gone by without a coordinator as long as the plan names no parent: its turn has not come. Absent: it waits on. */
const reserve = nodePlan.optional()
/** Fetch this assignment, carry it out beside the live release, report; then wait for a commit. */
export const stage = z.object({
  type: z.literal('stage'),
  commandId: z.string().max(ID_CHARS_MAX),
  jobId: z.string().max(ID_CHARS_MAX),
  number: orderNumber,
  site: name,
  release,
  treeHash,
  base: releaseRef.nullable(),
  assignment: z.object({
    id: identity,
    serial: z.number().int().min(1),
    chunkBytes: z.number().int().min(CHUNK_BYTES_MIN).max(CHUNK_BYTES_MAX).multipleOf(CHUNK_BYTES_MIN),
  }),
  plan: nodePlan,
  /** How fast it is passed on; absent: as the node's own limit allows. */
  pace: pace.optional(),
  reserve,
})
export const repace = z.object({ type: z.literal('pace'), assignmentId: identity, pace })
export const replan = z.object({ type: z.literal('plan'), assignmentId: identity, plan: nodePlan, reserve })
/** Make a held release live. `command` says why: the second half of a publish, or a rollback. */
export const commit = z.object({
  type: z.literal('commit'),
  commandId: z.string().max(ID_CHARS_MAX),
  jobId: z.string().max(ID_CHARS_MAX),
  number: orderNumber,
  command: z.enum(['commit', 'rollback']),
  site: name,
  release,
  treeHash,
  /** Of the site, with which it was decided; absent: it is no decision for all. */
  revision: count.optional(),
})
/**
 * Carry a command out that is not a step towards a release. Its identity is job and number: delivered twice it is
 * done once. One whose `after` was not done yet waits for it.
 */
export const execute = z.object({
  type: z.literal('execute'),
  commandId: z.string().max(ID_CHARS_MAX),
  jobId: z.string().max(ID_CHARS_MAX),
  number: orderNumber,
  /** The command of this job before it that is carried out this way; null: none. */
  after: orderNumber.nullable(),
  site: name,
  /** Of the site, with which it was decided; absent: it is not known any more. */
  revision: count.optional(),
  command: z.discriminatedUnion('type', [runHook, verify]),
})
/** Read a release and say what it came to, outside of any job: answered by `checked`, if the connection lasts. */
export const check = z.object({
  type: z.literal('check'),
  checkId: z.string().max(ID_CHARS_MAX),
  site: name,
  ...verify.omit({ type: true }).shape,
})
/** Say at once where your commands stand: answered by `state`, if the connection lasts. */
export const query = z.object({ type: z.literal('query'), queryId: z.string().max(ID_CHARS_MAX) })
/** Say what a path of a release is, outside of any job: answered by `looked`, if the connection lasts. */
export const look = z.object({
  type: z.literal('look'),
  lookId: z.string().max(ID_CHARS_MAX),
  ...filePlace.shape,
  list: filePaging.nullable(),
})
/** Bring these bytes of a file to `PUT /v1/transfers/<transferId>` of the coordinator, once. */
export const send = z.object({ type: z.literal('send'), ...fileFetch.shape })
/** Drop what was fetched for this assignment (null: it is not known any more) and staged; what is live stays. */
export const discard = z.object({
  type: z.literal('discard'),
  assignmentId: identity.nullable(),
  site: name,
  release,
  /** Also when it has been live here: this node was a canary, and has switched back. */
  evenLive: z.boolean().optional(),
})
/**
 * What was decided, signed, to be kept and passed on: at once to the servers at `indexes`, to others when they ask.
 * Its orders come by themselves. Null servers: the list of this digest, which this connection has brought before.
 */
export const tellWord = z.object({
  type: z.literal('word'),
  word: wordBody.extend({ serversDigest: treeHash }),
  servers: wordServers.nullable(),
  indexes: wordIndexes,
})
/** Send no faster than this until you start again: answered by `limited`. */
export const limit = z.object({ type: z.literal('limit'), bandwidth: z.string().max(BANDWIDTH_CHARS_MAX) })
/** Measure what you can send to this peer now: answered by `probed`, if the connection lasts. */
export const probe = z.object({
  type: z.literal('probe'),
  probeId: z.string().max(ID_CHARS_MAX),
  to: peerRef,
  isBulk: z.boolean(),
})
export const ack = z.object({ type: z.literal('ack'), reportId: z.number().int().min(1) })
/** A report that is not recorded and never will be: it need not come again. */
export const refuseReport = z.object({
  type: z.literal('refuse-report'),
  reportId: z.number().int().min(1),
  code: z.string().max(ERROR_CODE_CHARS_MAX),
  message: z.string().max(MESSAGE_CHARS_MAX),
})

export const fromCoordinator = z.discriminatedUnion('type', [
  welcome,
  refuse,
  stage,
  replan,
  repace,
  commit,
  execute,
  check,
  query,
  look,
  send,
  discard,
  tellWord,
  limit,
  probe,
  ack,
  refuseReport,
])

export type FromNode = z.infer<typeof fromNode>
export type FromCoordinator = z.infer<typeof fromCoordinator>
export type Hello = z.infer<typeof hello>
export type Report = z.infer<typeof report>
export type Progress = z.infer<typeof progress>
export type Flows = z.infer<typeof flows>
export type Stage = z.infer<typeof stage>
export type Commit = z.infer<typeof commit>
export type Execute = z.infer<typeof execute>
export type Check = z.infer<typeof check>
export type Checked = z.infer<typeof checked>
export type Drift = z.infer<typeof drift>
export type State = z.infer<typeof state>
export type TellWord = z.infer<typeof tellWord>
export type Discard = z.infer<typeof discard>
export type Look = z.infer<typeof look>
export type Looked = z.infer<typeof looked>
export type Send = z.infer<typeof send>
export type Probe = z.infer<typeof probe>
export type Probed = z.infer<typeof probed>
export type Unsent = z.infer<typeof unsent>
