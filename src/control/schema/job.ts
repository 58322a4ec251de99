import { z } from 'zod'
import {
  ERROR_CODE_CHARS_MAX,
  ID_CHARS_MAX,
  JOB_PAGE_DEFAULT,
  JOB_PAGE_MAX,
  MAX_DELETE_RATIO_DEFAULT,
  QUORUM_DEFAULT,
  REASON_CHARS_MAX,
} from '../../base/limits.js'
import type {
  AssignmentRef,
  ChangeSummary,
  JobError,
  JobNode,
  JobPolicy,
  JobRequest,
  JobView,
} from '../../model/job.js'
import { jobNodeStates, jobStates, jobTypes } from '../../model/job.js'
import { strategyNames } from '../../model/plan.js'
import type { JobFilter } from '../door.js'
import { count, identity, name, named, release, timeMs } from './registry.js'

const policyShape = {
  stageOnly: z.boolean().default(false).describe('Stage everywhere and wait for a commit.'),
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
  strategy: z.enum(strategyNames).default('strands').describe('Who sends to whom.'),
}

export const jobPolicy: z.ZodType<JobPolicy> = named('JobPolicy', z.strictObject(policyShape).prefault({}))

/** `/a/b`: the coordinator does not know where its callers stand. */
const absolutePath = z
  .string()
  .min(1)
  .max(4095)
  .regex(/^\//, 'an absolute path')
  .refine((path) => !path.includes('\0'), 'no NUL byte')

/** What a POST to /v1/jobs carries; everything but type, site and group may be left out. */
export const jobRequest: z.ZodType<JobRequest> = named(
  'JobRequest',
  z
    .strictObject({
      type: z.enum(jobTypes),
      site: name,
      group: name,
      directory: absolutePath.nullable().default(null).describe("Staging directory on the coordinator's machine."),
      upload: identity.optional().describe('An upload in place of a directory; it may still be arriving.'),
      release: release.nullable().default(null).describe('Release to go back to; null: the one before the live one.'),
      reason: z.string().max(REASON_CHARS_MAX).nullable().default(null),
      policy: jobPolicy,
    })
    .superRefine((request, context) => {
      const wants = request.type === 'publish'
      const sources = Number(request.directory !== null) + Number(request.upload !== undefined)
      if (sources !== Number(wants)) {
        const message = wants ? 'a publish needs a directory or an upload' : 'a rollback takes no directory'
        context.addIssue({ code: 'custom', path: ['directory'], message })
      }
      if (wants && request.release !== null) {
        context.addIssue({ code: 'custom', path: ['release'], message: 'a publish makes its own release' })
      }
      if (!wants && (request.reason === null || request.reason.trim() === '')) {
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

const jobNode: z.ZodType<JobNode> = named(
  'JobNode',
  z.object({
    nodeId: identity,
    name,
    segment: name,
    state: z.enum(jobNodeStates),
    bytesHave: count,
    rateBps: z.number().min(0).describe('Bits per second.'),
    reason: z.string().nullable().describe('Why it is behind or failed.'),
  }),
)

const policyView: z.ZodType<JobPolicy> = named(
  'JobPolicyView',
  z.object({
    stageOnly: z.boolean(),
    maxDeleteRatio: z.number(),
    allowEmpty: z.boolean(),
    quorum: z.number(),
    strategy: z.enum(strategyNames),
  }),
)

export const jobView: z.ZodType<JobView> = named(
  'Job',
  z.object({
    id: z.string(),
    type: z.enum(jobTypes),
    site: name,
    group: name,
    state: z.enum(jobStates).describe('succeeded, partial, failed and aborted are final.'),
    release: release.nullable(),
    baseRelease: release.nullable(),
    reason: z.string().nullable(),
    policy: policyView,
    changes: changeSummary.nullable(),
    assignment: assignmentRef.nullable(),
    createdAtMs: timeMs,
    finishedAtMs: timeMs.nullable(),
    error: jobError.nullable(),
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
