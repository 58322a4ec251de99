// The node channel: one WebSocket a node at /v1/channel, one JSON object a text message.
// In: what a node or the coordinator received. Out: the same, checked. Never: a decision.
import { z } from 'zod'
import { releaseRef } from './node.js'
import { count, identity, name, release, timeMs, treeHash } from './registry.js'

export const CHANNEL_VERSION = 1

/** An ed25519 key, 64 hexadecimal digits. */
const publicKey = z.string().regex(/^[0-9a-f]{64}$/)

/** Numeric. In a plan a wildcard stands for the coordinator, at the address where the node found it. */
export const peerAddress = z.object({ host: z.union([z.ipv4(), z.ipv6()]), port: z.number().int().min(1).max(65535) })
export const peerRef = peerAddress.extend({ nodeId: identity })
export const nodePlan = z.object({
  strandCount: z.number().int().min(1).max(16),
  parents: z.array(z.array(peerRef).max(64)).min(1).max(16),
  peers: z.array(peerRef).max(64),
})
export const nodeSite = z.object({ site: name, live: releaseRef.nullable(), held: z.array(releaseRef).max(64) })
export const channelError = z.object({
  code: z.string().max(80),
  message: z.string().max(2000),
  hint: z.string().max(500),
})

/** First message of a node. `ticket` is room for an identity's proof; it is not read yet. */
export const hello = z.object({
  type: z.literal('hello'),
  version: z.number().int(),
  role: z.literal('node'),
  ticket: z.string().max(4096).optional(),
  software: z.string().max(64),
  node: z.object({ id: identity, name, groups: z.array(name).max(64), segment: name, dataAddress: peerAddress }),
  sites: z.array(nodeSite).max(1024),
})
/** What a node has (receipt), has done (completion) or could not do (failure); sent until acknowledged. */
export const report = z.object({
  type: z.literal('report'),
  reportId: z.number().int().min(1),
  commandId: z.string().max(64),
  jobId: z.string().max(64),
  command: z.enum(['publish', 'commit', 'rollback']),
  kind: z.enum(['receipt', 'completion', 'failure']),
  site: name,
  release,
  treeHash,
  atMs: timeMs,
  bytesFetched: count,
  error: channelError.nullable(),
})
/** How far a transfer is, at most four times a second. */
export const progress = z.object({
  type: z.literal('progress'),
  jobId: z.string().max(64),
  assignmentId: identity,
  bytesHave: count,
  rateBps: count,
  parents: z.array(z.string().max(64)).max(16),
})
/** All that a node holds of its sites, sent when it changed. */
export const holdings = z.object({ type: z.literal('holdings'), sites: z.array(nodeSite).max(1024) })

export const fromNode = z.discriminatedUnion('type', [hello, report, progress, holdings])

export const welcome = z.object({
  type: z.literal('welcome'),
  version: z.number().int(),
  role: z.literal('coordinator'),
  coordinatorId: identity,
  publicKey,
  ticket: z.string().max(4096).optional(),
})
export const refuse = z.object({ type: z.literal('refuse'), code: z.string().max(80), message: z.string().max(2000) })
/** Fetch this assignment, carry it out beside the live release, report; then wait for a commit. */
export const stage = z.object({
  type: z.literal('stage'),
  commandId: z.string().max(64),
  jobId: z.string().max(64),
  site: name,
  release,
  treeHash,
  base: releaseRef.nullable(),
  assignment: z.object({
    id: identity,
    serial: z.number().int().min(1),
    chunkBytes: z
      .number()
      .int()
      .min(4096)
      .max(1 << 24),
  }),
  plan: nodePlan,
})
export const replan = z.object({ type: z.literal('plan'), assignmentId: identity, plan: nodePlan })
/** Make a held release live. `command` says why: the second half of a publish, or a rollback. */
export const commit = z.object({
  type: z.literal('commit'),
  commandId: z.string().max(64),
  jobId: z.string().max(64),
  command: z.enum(['commit', 'rollback']),
  site: name,
  release,
  treeHash,
})
/** Drop what was fetched or staged for this assignment; what is live stays. */
export const discard = z.object({ type: z.literal('discard'), assignmentId: identity, site: name, release })
export const ack = z.object({ type: z.literal('ack'), reportId: z.number().int().min(1) })

export const fromCoordinator = z.discriminatedUnion('type', [welcome, refuse, stage, replan, commit, discard, ack])

export type FromNode = z.infer<typeof fromNode>
export type FromCoordinator = z.infer<typeof fromCoordinator>
export type Hello = z.infer<typeof hello>
export type Report = z.infer<typeof report>
export type Progress = z.infer<typeof progress>
export type Stage = z.infer<typeof stage>
export type Commit = z.infer<typeof commit>
export type Discard = z.infer<typeof discard>
