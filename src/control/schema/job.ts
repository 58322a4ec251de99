import { z } from 'zod'
import {
  ERROR_CODE_CHARS_MAX,
  ID_CHARS_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  JOB_COMMANDS_MAX,
  JOB_ONLY_NODES_MAX,
  JOB_PAGE_DEFAULT,
  JOB_PAGE_MAX,
  MAX_DELETE_RATIO_DEFAULT,
  QUORUM_DEFAULT,
  REASON_CHARS_MAX,
} from '../../base/limits.js'
import {
  CANARY_BAKE_MS_MAX,
  CANARY_BAKE_MS_MIN,
  CANARY_BAKE_MS_DEFAULT,
  CANARY_NODES_MAX,
  FANOUT_MAX,
  HOLD_MS_MAX,
  ORDER_NODES_MAX,
  PRIORITY_DEFAULT,
  PRIORITY_MAX,
} from '../../base/policy-limits.js'
import { WEBHOOK_SECRET_CHARS_MAX, WEBHOOK_URL_CHARS_MAX } from '../../base/outside-limits.js'
import { parseLimitBps } from '../../model/bandwidth.js'
import type { Canary, CanaryPolicy } from '../../model/canary.js'
import type {
  AssignmentRef,
  ChangeSummary,
  CommandOnNode,
  CommandRequest,
  CommandView,
  JobCommand,
  JobError,
  JobNode,
  JobPolicy,
  JobRequest,
  JobView,
  TimeWindow,
} from '../../model/job.js'
import { commandStates, commitKinds, conflictKinds, jobNodeStates, jobStates } from '../../model/job.js'
import type { Callback } from '../../model/webhook.js'
import { isHanded, strategyNames } from '../../model/plan.js'
import type { JobFilter } from '../door/jobs.js'
import { commandAccepted, commandRequest } from './command.js'
import { periodMs, repairPolicy } from './account.js'
import { bandwidthText } from './limit.js'
import { count, identity, name, named, release, timeMs } from './registry.js'

const minute = z.number().int().min(0).max(1439)

const timeWindow: z.ZodType<TimeWindow> = named(
  'TimeWindow',
  z
    .strictObject({ fromMinute: minute, toMinute: minute })
    .refine(({ fromMinute, toMinute }) => fromMinute !== toMinute, 'a window has a length')
    .describe('Minutes after midnight, local time of the coordinator; may go over midnight.'),
)

const canaryPolicy: z.ZodType<CanaryPolicy> = named(
  'CanaryPolicy',
  z
    .strictObject({
      share: z.number().gt(0).max(1).optional().describe('Share of the nodes that have staged it, at least one.'),
      count: z.number().int().min(1).max(CANARY_NODES_MAX).optional(),
      nodes: z.array(name).min(1).max(CANARY_NODES_MAX).optional().describe('Their names.'),
      bakeMs: z
        .number()
        .int()
        .min(CANARY_BAKE_MS_MIN)
        .max(CANARY_BAKE_MS_MAX)
        .default(CANARY_BAKE_MS_DEFAULT)
        .describe('From when they are live until all others switch.'),
      health: name.optional().describe('Hook that is run on them; else their health.'),
    })
    .refine(({ share, count, nodes }) => [share, count, nodes].filter((each) => each !== undefined).length === 1, {
      message: 'say one of share, count and nodes',
    })
    .refine(({ nodes = [] }) => new Set(nodes).size === nodes.length, { message: 'a node is named twice' }),
)

/** When and how a job makes its release live; what is left out is as if nobody had said it. */
const whenShape = {
  commit: z.enum(commitKinds).optional().describe('each: a node goes live when it is complete. Else all at once.'),
  deadlineMs: z.number().int().min(1).max(HOLD_MS_MAX).optional().describe('Not decided by then: it fails.'),
  onConflict: z.enum(conflictKinds).optional().describe('What another job of the site means. Else it is waited for.'),
  startAtMs: timeMs.optional().describe('It starts then.'),
  window: timeWindow.optional().describe('It starts within it.'),
  canary: canaryPolicy.optional().describe('Who switches first, before the decision that all do.'),
}

/** How fast each sender sends a job's content. */
const paceShape = {
  bwlimit: bandwidthText(parseLimitBps).optional().describe('What each sender sends of it: `5M`, `40Mbit`, `off`.'),
  priority: z
    .number()
    .int()
    .min(1)
    .max(PRIORITY_MAX)
    .optional()
    .describe(`Its part of what a sender may send, beside other jobs; ${PRIORITY_DEFAULT} is usual.`),
}

/** What some strategies are told beside their name. */
const wayShape = {
  fanout: z
    .number()
    .int()
    .min(1)
    .max(FANOUT_MAX)
    .optional()
    .describe('Of handout and cascade: servers that each serves at once. Else as many as its uplink bears.'),
  order: z
    .array(name)
    .min(1)
    .max(ORDER_NODES_MAX)
    .optional()
    .describe('Of chain, handout and cascade: names of nodes, who go first, in this order. Else the fastest does.'),
  probe: z
    .boolean()
    .optional()
    .describe('Of handout and cascade: measure first what nodes can send, for ten seconds at most.'),
}

const policyShape = {
  maxDeleteRatio: z
    .number()
    .min(0)
    .max(1)
    .default(MAX_DELETE_RATIO_DEFAULT)
    .describe('Refuse to delete more than this share of the live files.'),
  allowEmpty: z.boolean().default(false).describe('Let an empty staging tree through.'),
  quorum: z
    .number()
    .min(0)
    .max(1)
    .default(QUORUM_DEFAULT)
    .describe("Share of the group's nodes that must hold the release before any switches."),
  strategy: z.enum(strategyNames).default('braid').describe('Who sends to whom.'),
  ...wayShape,
  ...whenShape,
  ...paceShape,
  periodMs: periodMs.optional().describe('Before its end, who has not reported is asked this often (10 s).'),
  repair: repairPolicy.optional().describe('What is tried then for who errs or is silent; all of it by default.'),
}

export const jobPolicy: z.ZodType<JobPolicy> = named(
  'JobPolicy',
  z
    .strictObject(policyShape)
    .refine(({ commit, canary }) => commit !== 'each' || canary === undefined, {
      path: ['canary'],
      message: 'where each node switches by itself, nobody waits for canaries',
    })
    .refine(({ strategy, fanout }) => fanout === undefined || isHanded(strategy), {
      path: ['fanout'],
      message: 'it is of the strategies handout and cascade',
    })
    .refine(({ strategy, probe }) => probe === undefined || isHanded(strategy), {
      path: ['probe'],
      message: 'it is of the strategies handout and cascade',
    })
    .refine(({ strategy, order }) => order === undefined || strategy === 'chain' || isHanded(strategy), {
      path: ['order'],
      message: 'it is of the strategies chain, handout and cascade',
    })
    .refine(({ order = [] }) => new Set(order).size === order.length, {
      path: ['order'],
      message: 'a node is named twice',
    })
    .prefault({}),
)

const commands = z.array(commandRequest).max(JOB_COMMANDS_MAX)

/** What a POST to /v1/jobs/:id/commands carries. */
export const commandsRequest: z.ZodType<{ readonly commands: readonly CommandRequest[] }> = named(
  'CommandsRequest',
  z.strictObject({ commands: commands.min(1) }),
)

const callback: z.ZodType<Callback> = named(
  'Callback',
  z.strictObject({
    url: z.string().min(1).max(WEBHOOK_URL_CHARS_MAX),
    secret: z
      .string()
      .max(WEBHOOK_SECRET_CHARS_MAX)
      .optional()
      .describe('whsec_ and base64 of 24 to 64 bytes; absent: it is not signed.'),
  }),
)

/** What a POST to /v1/jobs carries; everything but the site may be left out where the site is known. */
export const jobRequest: z.ZodType<JobRequest> = named(
  'JobRequest',
  z
    .strictObject({
      site: name,
      group: name.nullable().default(null).describe('Null: the group that the site belongs to.'),
      only: z
        .array(name)
        .min(1)
        .max(JOB_ONLY_NODES_MAX)
        .nullable()
        .default(null)
        .describe('Names of nodes; null: all that serve the site.'),
      reason: z.string().max(REASON_CHARS_MAX).nullable().default(null),
      policy: jobPolicy,
      commands: commands.default([]).describe('The first commands; more may follow until end-job.'),
      callback: callback.nullable().optional().describe('Where its end is told, as a webhook is.'),
    })
    .superRefine((request, context) => {
      if (request.only !== null && new Set(request.only).size !== request.only.length) {
        context.addIssue({ code: 'custom', path: ['only'], message: 'a node is named twice' })
      }
      const goesBack = request.commands.some(({ type }) => type === 'rollback')
      if (goesBack && (request.reason === null || request.reason.trim() === '')) {
        context.addIssue({ code: 'custom', path: ['reason'], message: 'a rollback needs a reason' })
      }
    }),
)

export const jobError: z.ZodType<JobError> = named(
  'JobError',
  z.object({ code: z.string().max(ERROR_CODE_CHARS_MAX), message: z.string(), hint: z.string() }),
)

export const changeSummary: z.ZodType<ChangeSummary> = named(
  'ChangeSummary',
  z.object({ filesAdded: count, filesChanged: count, filesDeleted: count, fileCount: count, totalBytes: count }),
)

const assignmentRef: z.ZodType<AssignmentRef> = named(
  'AssignmentRef',
  z.object({ id: identity, serial: count, chunkBytes: count, streamBytes: count.nullable() }),
)

const canaryView: z.ZodType<Canary> = named(
  'Canary',
  z.object({
    nodeIds: z.array(identity),
    names: z.array(name),
    number: count.describe('Of the commit that they carry out before the others.'),
    decidedAtMs: timeMs,
    untilMs: timeMs.nullable().describe('When all others switch if all stays well; null: not all of them are live.'),
    revoked: jobError.nullable().describe('Why they switch back; null: they do not.'),
  }),
)

const jobNode: z.ZodType<JobNode> = named(
  'JobNode',
  z.object({
    nodeId: identity,
    name,
    segment: name,
    state: z.enum(jobNodeStates),
    bytesHave: count,
    rateBps: z.number().min(0).describe('Bits per second.'),
    reason: z.string().nullable().describe('Why it is behind, failed or departed.'),
  }),
)

const policyView: z.ZodType<JobPolicy> = named(
  'JobPolicyView',
  z.object({
    maxDeleteRatio: z.number(),
    allowEmpty: z.boolean(),
    quorum: z.number(),
    strategy: z.enum(strategyNames),
    ...wayShape,
    ...whenShape,
    bwlimit: z.string().optional(),
    priority: count.optional(),
    periodMs: periodMs.optional(),
    repair: repairPolicy.optional(),
  }),
)

const commandShape = {
  number: count,
  request: commandAccepted,
  state: z.enum(commandStates),
  release: release.nullable(),
  error: jobError.nullable(),
  createdAtMs: timeMs,
  startedAtMs: timeMs.nullable(),
  finishedAtMs: timeMs.nullable(),
}

const jobCommand: z.ZodType<JobCommand> = named('JobCommand', z.object(commandShape))

const commandOnNode: z.ZodType<CommandOnNode> = named(
  'CommandOnNode',
  z.object({
    nodeId: identity,
    name,
    state: z.enum(commandStates),
    reason: z.string().nullable().describe('Why it failed or is missing.'),
    output: z.string().nullable().describe('What the command left.'),
  }),
)

export interface CommandList {
  readonly items: readonly CommandView[]
}
export const commandList: z.ZodType<CommandList> = named(
  'CommandList',
  z.object({ items: z.array(z.object({ ...commandShape, nodes: z.array(commandOnNode) })) }),
)

export const jobView: z.ZodType<JobView> = named(
  'Job',
  z.object({
    id: z.string(),
    site: name,
    group: name,
    only: z.array(name).nullable(),
    state: z.enum(jobStates).describe('succeeded, partial, failed and aborted are final.'),
    commands: z.array(jobCommand),
    release: release.nullable(),
    baseRelease: release.nullable(),
    reason: z.string().nullable(),
    policy: policyView,
    changes: changeSummary.nullable(),
    assignment: assignmentRef.nullable(),
    canary: canaryView.nullable().optional().describe('Who served its release before all others.'),
    paused: z.boolean().optional().describe('Its content is not sent until it is resumed.'),
    createdAtMs: timeMs,
    finishedAtMs: timeMs.nullable(),
    error: jobError.nullable(),
    waitsFor: z.string().nullable().describe('What a queued job waits for: a job, a time, a window, a hold.'),
    nodes: z.array(jobNode),
  }),
)

export interface JobList {
  readonly items: readonly JobView[]
}
export const jobList: z.ZodType<JobList> = named('JobList', z.object({ items: z.array(jobView) }))

/** `?site=&state=&limit=` of GET /v1/jobs. */
export const jobQuery: z.ZodType<JobFilter> = z
  .strictObject({
    site: name.optional(),
    state: z.enum(jobStates).optional(),
    limit: z.coerce.number().int().min(1).max(JOB_PAGE_MAX).default(JOB_PAGE_DEFAULT),
  })
  .transform(({ site, state, limit }) => ({
    ...(site === undefined ? {} : { site }),
    ...(state === undefined ? {} : { state }),
    limit,
  }))

/** `{id}` in a path. */
export const jobParams: z.ZodType<{ readonly id: string }> = z.strictObject({ id: z.string().min(1).max(ID_CHARS_MAX) })

/** The header that makes a request that creates something safe to repeat. */
export const idempotencyHeaders: z.ZodType<{ readonly 'idempotency-key'?: string | undefined }> = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(IDEMPOTENCY_KEY_CHARS_MAX)
    .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
    .optional()
    .describe('The same key and request again: the first answer again, and nothing else. Kept for a day.'),
})
