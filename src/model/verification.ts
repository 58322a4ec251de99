import type { JobError } from './job.js'

/** Findings that a sentence names. */
const NAMED_MAX = 3

/** In what an entry of a release differs from its manifest; of several ways the first of this list. */
export const findingKinds = [
  'missing',
  'extra',
  'type',
  'unreadable',
  'target',
  'size',
  'content',
  'mode',
  'mtime',
] as const
export type FindingKind = (typeof findingKinds)[number]

/** One entry that is not what it should be. */
export interface Finding {
  /** Relative to the release, bytes that are no text escaped; the release itself is `.`, its manifest `(manifest)`. */
  readonly path: string
  readonly kind: FindingKind
}

/** What was done about damage: nothing, the live release staged anew, or one that is not live removed. */
export const mendings = ['none', 'restaged', 'removed'] as const
export type Mending = (typeof mendings)[number]

/** What reading one release of a node came to. */
export interface Verification {
  readonly site: string
  readonly release: number
  readonly treeHash: string
  readonly files: number
  readonly bytes: number
  /** Entries that differ. */
  readonly mismatches: number
  /** The first of them. */
  readonly findings: readonly Finding[]
  /** Whether `live` pointed where it should; null when another release than the live one was read. */
  readonly linkIsRight: boolean | null
  /** Other releases of the site that were found damaged with it. */
  readonly alsoDamaged: readonly number[]
  readonly mended: Mending
}

/** What a node is asked to read. */
export interface VerifyRequest {
  readonly site: string
  /** Null: what is live. */
  readonly release: number | null
  /** Bits per second read from the disk; null: as the node is configured. */
  readonly rateBps: number | null
  /** Have what is damaged mended, whatever the coordinator is configured to do, and wait for it. */
  readonly repair: boolean
}

/** Whether nothing was found, or what was found is mended. Pure. */
export function isWell({ mismatches, linkIsRight, mended }: Verification): boolean {
  return (mismatches === 0 && linkIsRight !== false) || mended !== 'none'
}

/** What was found, for people: `3 entries differ (a/index.html content, b missing, …)`. Pure. */
export function describe({ mismatches, findings, linkIsRight }: Verification, namedMax = NAMED_MAX): string {
  const named = findings.slice(0, namedMax).map(({ path, kind }) => `${path} ${kind}`)
  const more = mismatches > named.length ? [...named, '…'] : named
  const which = named.length === 0 ? '' : ` (${more.join(', ')})`
  const differ = `${mismatches} ${mismatches === 1 ? 'entry differs' : 'entries differ'}${which}`
  const parts = [...(mismatches > 0 ? [differ] : []), ...(linkIsRight === false ? ['its link pointed elsewhere'] : [])]
  return parts.length === 0 ? 'nothing differs' : parts.join(', and ')
}

/** Which nodes are to read a site. */
export interface VerifyRunRequest extends VerifyRequest {
  /** The site's own, where it is named. */
  readonly group: string | null
  /** Names; null: all of the group. */
  readonly nodes: readonly string[] | null
}

export const nodeVerificationStates = ['reading', 'clean', 'damaged', 'mended', 'failed'] as const

/** What became of it on one node. */
export interface NodeVerification {
  readonly nodeId: string
  readonly name: string
  readonly state: (typeof nodeVerificationStates)[number]
  readonly found: Verification | null
  /** Why it could not be read. */
  readonly error: JobError | null
}

/** One reading of a site on several nodes. */
export interface VerifyRun {
  readonly id: string
  readonly site: string
  readonly group: string
  readonly repair: boolean
  readonly startedAtMs: number
  readonly finishedAtMs: number | null
  readonly nodes: readonly NodeVerification[]
}
