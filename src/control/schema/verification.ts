import { z } from 'zod'
import { ID_CHARS_MAX, NODES_MAX, RELEASES_TOLD_MAX } from '../../base/limits.js'
import { FINDING_PATH_CHARS_MAX, VERIFY_FINDINGS_MAX, VERIFY_RATE_BPS_MIN } from '../../base/verify-limits.js'
import {
  type Finding,
  findingKinds,
  mendings,
  nodeVerificationStates,
  type NodeVerification,
  type Verification,
  type VerifyRun,
  type VerifyRunRequest,
} from '../../model/verification.js'
import { jobError } from './job.js'
import { count, identity, name, named, release, timeMs, treeHash } from './registry.js'

const finding: z.ZodType<Finding> = named(
  'Finding',
  z.object({
    path: z
      .string()
      .max(FINDING_PATH_CHARS_MAX)
      .describe('Relative to the release; `.` is its own directory, `(manifest)` its manifest.'),
    kind: z.enum(findingKinds),
  }),
)

/** What reading one release of a node came to. */
export const verification: z.ZodType<Verification> = named(
  'Verification',
  z.object({
    site: name,
    release,
    treeHash,
    files: count,
    bytes: count,
    mismatches: count.describe('Entries that differ; the first of them are named.'),
    findings: z.array(finding).max(VERIFY_FINDINGS_MAX),
    linkIsRight: z.boolean().nullable().describe('Null when another release than the live one was read.'),
    alsoDamaged: z.array(release).max(RELEASES_TOLD_MAX).describe('Other releases found damaged with it.'),
    mended: z.enum(mendings),
  }),
)

/** What a POST to /v1/verifications carries; everything but the site may be left out. */
export const verifyRunRequest: z.ZodType<VerifyRunRequest> = named(
  'VerifyRequest',
  z.strictObject({
    site: name,
    group: name.nullable().default(null).describe("The site's own, where it is named."),
    nodes: z.array(name).min(1).max(NODES_MAX).nullable().default(null).describe('Names; null: all of the group.'),
    release: release.nullable().default(null).describe('Null: what is live on each node.'),
    rateBps: z
      .number()
      .int()
      .min(VERIFY_RATE_BPS_MIN)
      .max(Number.MAX_SAFE_INTEGER)
      .nullable()
      .default(null)
      .describe('Bits per second that each node reads at most; null: as it is configured.'),
    repair: z.boolean().default(false).describe('Have damage mended, and wait for it.'),
  }),
)

const nodeVerification: z.ZodType<NodeVerification> = named(
  'NodeVerification',
  z.object({
    nodeId: identity,
    name,
    state: z.enum(nodeVerificationStates),
    found: verification.nullable(),
    error: jobError.nullable().describe('Why it could not be read.'),
  }),
)

export const verifyRun: z.ZodType<VerifyRun> = named(
  'VerifyRun',
  z.object({
    id: z.string(),
    site: name,
    group: name,
    repair: z.boolean(),
    startedAtMs: timeMs,
    finishedAtMs: timeMs.nullable().describe('Null while a node reads.'),
    nodes: z.array(nodeVerification),
  }),
)

export const verifyRunParams: z.ZodType<{ readonly id: string }> = z.strictObject({
  id: z.string().min(1).max(ID_CHARS_MAX),
})
