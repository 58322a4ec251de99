/**
 * What is told of the fleet: to webhooks and on the event stream. A further kind gets its types here
 * (`engine.leader.changed`, `engine.checkpoint.…`, `engine.schedule.conflict`, `engine.channel.…` come with their
 * features), and whoever writes what happened announces it in the same transaction.
 */
export const fleetEventTypes = [
  'engine.job.queued',
  'engine.job.planned',
  'engine.job.staged',
  'engine.job.committed',
  'engine.job.failed',
  'engine.job.aborted',
  'engine.job.rolledback',
  'engine.job.executed',
  'engine.node.joined',
  'engine.node.lost',
  'engine.node.departed',
  'engine.node.behind',
  'engine.node.repaired',
  'engine.node.drifted',
  'engine.site.held',
  'engine.site.resumed',
  'engine.webhook.ping',
  'engine.webhook.off',
] as const
export type FleetEventType = (typeof fleetEventTypes)[number]

/** The types that end a job. */
export const jobEndTypes = [
  'engine.job.committed',
  'engine.job.failed',
  'engine.job.aborted',
  'engine.job.rolledback',
  'engine.job.executed',
] as const satisfies readonly FleetEventType[]

/** Something that happened, before it is on record. */
export interface News {
  readonly type: FleetEventType
  /** `jobs/ID`, `nodes/NAME`, `sites/NAME`, `webhooks/ID`. */
  readonly subject: string
  /** Null: it concerns no one site. */
  readonly site: string | null
  readonly atMs: number
  readonly data: Readonly<Record<string, unknown>>
}

/** The same on record. Ids grow by the order in which things were written and are never given twice. */
export interface FleetEvent extends News {
  readonly id: number
}

/** CloudEvents 1.0, the structured JSON form: the body of a callback and the data of the event stream. */
export interface CloudEvent {
  readonly specversion: '1.0'
  /** The fleet event's id in decimal digits: unique with `source`, and where a reader of the stream resumes. */
  readonly id: string
  /** `urn:distributary:coordinator:` and the coordinator's identity. */
  readonly source: string
  readonly type: string
  readonly subject: string
  /** RFC 3339, UTC. */
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly data: Readonly<Record<string, unknown>>
}

const withoutPrefix = (text: string): string => text.replace(/^engine\./, '')

/**
 * Whether a pattern names a type: `*`, `job.*`, `job.failed`, each also with `engine.` before it. Pure.
 */
export function matchesType(pattern: string, type: string): boolean {
  const wanted = withoutPrefix(pattern)
  const given = withoutPrefix(type)
  if (wanted === '*' || wanted === given) return true
  return wanted.endsWith('.*') && given.startsWith(wanted.slice(0, -1))
}

/** Whether a pattern names any type at all: one that does not is a slip of the pen. Pure. */
export function isTypePattern(pattern: string): boolean {
  return fleetEventTypes.some((type) => matchesType(pattern, type))
}
