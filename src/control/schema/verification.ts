import { z } from 'zod'
import { RELEASES_TOLD_MAX } from '../../base/limits.js'
import { FINDING_PATH_CHARS_MAX, VERIFY_FINDINGS_MAX } from '../../base/verify-limits.js'
import { type Finding, findingKinds, mendings, type Verification } from '../../model/verification.js'
import { count, name, named, release, treeHash } from './registry.js'

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
