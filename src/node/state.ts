import { EXECUTED_KEPT_MAX } from '../base/limits.js'
import type { Hello, Report } from '../control/schema/channel.js'
import type { JobError } from '../model/job.js'
import type { ReleaseRef } from '../model/node.js'
import { JOURNAL_VERSION, type JournalRecord, type Trouble } from './records.js'

export { JOURNAL_VERSION, type JournalRecord, journalRecord, type Trouble } from './records.js'

/** A release that stands whole on the disk. `wasLive`: it has been switched to at some time. */
export interface HeldRelease extends ReleaseRef {
  readonly wasLive: boolean
  /** Absent: as far as is known it is what was staged. */
  readonly illness?: Illness
}

/** Why a release on the disk is not built on, not switched to and not told of as held. */
export interface Illness {
  readonly health: 'suspect' | 'damaged'
  /** Somebody asked for its mending. */
  readonly mend: boolean
}

export interface SiteState {
  readonly live: ReleaseRef | null
  readonly held: ReadonlyMap<number, HeldRelease>
}

/** A switch whose hooks have not all been run: the order it was made for. */
export interface HooksDue extends ReleaseRef {
  readonly commandId: string
  readonly jobId: string
  readonly number: number
  readonly command: 'commit' | 'rollback'
}

/** What hooks have to do with a site. */
export interface SiteHooks {
  readonly due: HooksDue | null
  /** What the hooks after the last switch complained of. */
  readonly trouble: Trouble | null
}

/** An assignment whose files are kept: being fetched, or served on to others. */
export interface BegunAssignment extends ReleaseRef {
  readonly assignmentId: string
  readonly site: string
}

/**
 * How far a node is with what was decided for a site, by the revisions of the decisions: words that say no more than
 * this begin nothing, also when the journal has long forgotten the commands themselves.
 */
export interface SiteWords {
  /** Of the newest decision that was made live here. */
  readonly switched: number
  /** Of the newest command carried out here that is no step towards a release. */
  readonly settled: number
}

/** A command that this node has begun or done, and why it failed if it did. */
export interface ExecutedCommand {
  readonly jobId: string
  readonly number: number
  readonly phase: 'executing' | 'completion' | 'failure'
  readonly error: JobError | null
}

/** A command's place in `executed`. Pure. */
export const executedKey = ({ jobId, number }: { readonly jobId: string; readonly number: number }): string =>
  `${jobId}:${number}`

/** What a journal adds up to. */
export interface NodeState {
  readonly coordinatorId: string | null
  /** Of that coordinator; null when it was not recorded. */
  readonly publicKey: string | null
  readonly sites: ReadonlyMap<string, SiteState>
  /** By site; a site of which there is nothing to say is not there. */
  readonly hooks: ReadonlyMap<string, SiteHooks>
  readonly begun: ReadonlyMap<string, BegunAssignment>
  /** By `executedKey`, oldest first; the newest EXECUTED_KEPT_MAX outlive a compaction. */
  readonly executed: ReadonlyMap<string, ExecutedCommand>
  /** By site. */
  readonly words: ReadonlyMap<string, SiteWords>
  readonly unacked: ReadonlyMap<number, Report>
  readonly lastReportId: number
}

export const emptyState: NodeState = {
  coordinatorId: null,
  publicKey: null,
  sites: new Map(),
  hooks: new Map(),
  begun: new Map(),
  executed: new Map(),
  words: new Map(),
  unacked: new Map(),
  lastReportId: 0,
}

const emptySite: SiteState = { live: null, held: new Map() }

function withKey<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}

function withoutKey<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map
  const copy = new Map(map)
  copy.delete(key)
  return copy
}

function withSite(state: NodeState, site: string, change: (site: SiteState) => SiteState): NodeState {
  return { ...state, sites: withKey(state.sites, site, change(state.sites.get(site) ?? emptySite)) }
}

function foldSite(state: NodeState, record: JournalRecord & { type: 'staged' | 'live' | 'dropped' }): NodeState {
  const { site, release } = record
  return withSite(state, site, (known) => {
    const linked = known.live?.release === release
    if (record.type === 'dropped') {
      return { live: linked ? null : known.live, held: withoutKey(known.held, release) }
    }
    const { treeHash } = record
    const before = known.held.get(release)
    const already = record.type === 'live' || record.wasLive === true || linked
    const wasLive = already || (before?.treeHash === treeHash && before.wasLive)
    const held = withKey(known.held, release, { release, treeHash, wasLive, ...illnessAfter(record, before) })
    return { live: record.type === 'live' || linked ? { release, treeHash } : known.live, held }
  })
}

/** Staged anew it is well again; the switch of a link says nothing about what it points at. */
function illnessAfter(
  { type, treeHash }: JournalRecord & { type: 'staged' | 'live' },
  before: HeldRelease | undefined,
): Pick<HeldRelease, 'illness'> {
  const stays = type === 'live' && before?.treeHash === treeHash && before.illness !== undefined
  return stays ? { illness: before.illness } : {}
}

/** A judgement of what is not held any more, or not with this content, says nothing. */
function withJudgement(state: NodeState, record: JournalRecord & { type: 'judged' }): NodeState {
  const { site, release, treeHash, health } = record
  const before = state.sites.get(site)?.held.get(release)
  if (before?.treeHash !== treeHash) return state
  const { illness, ...well } = before
  const mend = record.mend === true || (health === 'damaged' && illness?.mend === true)
  const judged = health === 'sound' ? well : { ...well, illness: { health, mend } }
  return withSite(state, site, (known) => ({ ...known, held: withKey(known.held, release, judged) }))
}

function withExecuted(state: NodeState, record: JournalRecord & { type: 'executing' | 'executed' }): NodeState {
  const { jobId, number } = record
  const how = record.type === 'executing' ? { phase: record.type, error: null } : record
  const executed: ExecutedCommand = { jobId, number, phase: how.phase, error: how.error }
  const after = { ...state, executed: withKey(state.executed, executedKey(record), executed) }
  if (record.type === 'executing' || record.site === undefined) return after
  return withWords(after, record.site, { switched: 0, settled: record.revision ?? 0 })
}

/** How far this node is with what was decided for a site. Pure. */
export const wordsOf = (state: NodeState, site: string): SiteWords =>
  state.words.get(site) ?? { switched: 0, settled: 0 }

/** It never goes back. */
function withWords(state: NodeState, site: string, { switched, settled }: SiteWords): NodeState {
  const before = wordsOf(state, site)
  if (switched <= before.switched && settled <= before.settled) return state
  const after = { switched: Math.max(switched, before.switched), settled: Math.max(settled, before.settled) }
  return { ...state, words: withKey(state.words, site, after) }
}

function foldJoined(state: NodeState, record: JournalRecord & { type: 'joined' }): NodeState {
  return { ...state, coordinatorId: record.coordinatorId, publicKey: record.publicKey ?? null }
}

function foldReports(state: NodeState, record: JournalRecord & { type: 'reported' | 'acked' }): NodeState {
  const reportId = record.type === 'reported' ? record.report.reportId : record.reportId
  const lastReportId = Math.max(state.lastReportId, reportId)
  const { unacked } = state
  if (record.type === 'acked') return { ...state, unacked: withoutKey(unacked, reportId), lastReportId }
  return { ...state, unacked: withKey(unacked, reportId, record.report), lastReportId }
}

function withHooks(state: NodeState, site: string, { due, trouble }: SiteHooks): NodeState {
  const hooks =
    due === null && trouble === null ? withoutKey(state.hooks, site) : withKey(state.hooks, site, { due, trouble })
  return hooks === state.hooks ? state : { ...state, hooks }
}

function hooksOf(state: NodeState, site: string): SiteHooks {
  return state.hooks.get(site) ?? { due: null, trouble: null }
}

/** Another release is live: what was due and what was wrong went with the one before. */
function foldLive(before: NodeState, record: JournalRecord & { type: 'live' }): NodeState {
  const { site, release, revision: switched = 0 } = record
  const state = withWords(foldSite(before, record), site, { switched, settled: 0 })
  const { due, trouble } = hooksOf(before, site)
  const isOther = before.sites.get(site)?.live?.release !== release
  return withHooks(state, site, { due: due?.release === release ? due : null, trouble: isOther ? null : trouble })
}

function foldHooks(state: NodeState, record: JournalRecord & { type: 'hooks-due' | 'hooks-done' }): NodeState {
  const { site, release } = record
  const { due, trouble } = hooksOf(state, site)
  if (record.type === 'hooks-done') {
    return withHooks(state, site, { due: due?.release === release ? null : due, trouble: record.trouble })
  }
  const { treeHash, commandId, jobId, number, command } = record
  return withHooks(state, site, { due: { release, treeHash, commandId, jobId, number, command }, trouble })
}

type Folds = {
  readonly [T in JournalRecord['type']]: (state: NodeState, record: JournalRecord & { type: T }) => NodeState
}

/** What each record does to the state. */
const folds: Folds = {
  opened: (state) => state,
  joined: foldJoined,
  begun: (state, { assignmentId, site, release, treeHash }) => ({
    ...state,
    begun: withKey(state.begun, assignmentId, { assignmentId, site, release, treeHash }),
  }),
  ended: (state, { assignmentId }) => ({ ...state, begun: withoutKey(state.begun, assignmentId) }),
  staged: foldSite,
  dropped: foldSite,
  judged: withJudgement,
  live: foldLive,
  'hooks-due': foldHooks,
  'hooks-done': foldHooks,
  executing: withExecuted,
  executed: withExecuted,
  words: (state, record) => withWords(state, record.site, record),
  reported: foldReports,
  acked: foldReports,
}

/** The state after one more record. A record that says what is known already changes nothing. Pure. */
export function fold(state: NodeState, record: JournalRecord): NodeState {
  const foldOne = folds[record.type] as (state: NodeState, record: JournalRecord) => NodeState
  return foldOne(state, record)
}

function recordOf({ jobId, number, phase, error }: ExecutedCommand): JournalRecord {
  return phase === 'executing' ? { type: phase, jobId, number } : { type: 'executed', jobId, number, phase, error }
}

function joinedOf({ coordinatorId, publicKey: key }: NodeState): readonly JournalRecord[] {
  if (coordinatorId === null) return []
  return [{ type: 'joined', coordinatorId, ...(key === null ? {} : { publicKey: key }) }]
}

function sitesOf(state: NodeState): readonly JournalRecord[] {
  return [...state.sites].flatMap(([site, { live, held }]) => [
    ...[...held.values()].map(
      ({ release, treeHash, wasLive }): JournalRecord => ({
        ...{ type: 'staged', site, release, treeHash },
        ...(wasLive ? { wasLive } : {}),
      }),
    ),
    ...(live === null ? [] : [{ type: 'live', site, ...live } as const]),
    ...[...held.values()].flatMap(({ release, treeHash, illness }) =>
      illness === undefined ? [] : [{ type: 'judged', site, release, treeHash, ...illness } as const],
    ),
  ])
}

/** They come after what is live: that ends the trouble of the one before. */
function hookRecordsOf(state: NodeState): readonly JournalRecord[] {
  return [...state.hooks].flatMap(([site, { due, trouble }]) => {
    // It ends nothing that is due: that comes after it.
    const release = state.sites.get(site)?.live?.release ?? 1
    return [
      ...(trouble === null ? [] : [{ type: 'hooks-done', site, release, trouble } as const]),
      ...(due === null ? [] : [{ type: 'hooks-due', site, ...due } as const]),
    ]
  })
}

/** The fewest records that add up to `state`. Pure. */
export function snapshotOf(state: NodeState): readonly JournalRecord[] {
  const reports = owedReports(state)
  const records: JournalRecord[] = [
    { type: 'opened', version: JOURNAL_VERSION },
    ...joinedOf(state),
    ...[...state.begun.values()].map((begun) => ({ type: 'begun', ...begun }) as const),
    ...sitesOf(state),
    ...hookRecordsOf(state),
    ...[...state.executed.values()].slice(-EXECUTED_KEPT_MAX).map(recordOf),
    ...[...state.words].map(([site, words]) => ({ type: 'words', site, ...words }) as const),
    ...reports.map((report) => ({ type: 'reported', report }) as const),
  ]
  // Numbers are never given twice, also when the last report was acknowledged long ago.
  if (state.lastReportId > (reports.at(-1)?.reportId ?? 0)) {
    records.push({ type: 'acked', reportId: state.lastReportId })
  }
  return records
}

/** The reports that were not acknowledged, oldest first. Pure. */
export function owedReports(state: NodeState): readonly Report[] {
  return [...state.unacked.values()].sort((a, b) => a.reportId - b.reportId)
}

/** What a node tells its coordinator that it holds: complete releases only, by site. Pure. */
export function holdingsOf(state: NodeState): Hello['sites'] {
  const sites: Hello['sites'] = []
  for (const [site, { live, held }] of state.sites) {
    if (live === null && held.size === 0) continue
    const all = [...held.values()].sort((a, b) => a.release - b.release)
    const well = all.filter(({ illness }) => illness === undefined)
    const damaged = all.flatMap(({ release, treeHash, illness }) =>
      illness?.health !== 'damaged' ? [] : [{ release, treeHash, live: live?.release === release, mend: illness.mend }],
    )
    const wrong = state.hooks.get(site)?.trouble ?? null
    sites.push({
      site,
      live: damaged.some((each) => each.live) ? null : live,
      held: well.map(({ release, treeHash }) => ({ release, treeHash })),
      ...(wrong === null ? {} : { trouble: wrong.message }),
      ...(damaged.length > 0 ? { damaged } : {}),
    })
  }
  return sites
}

/** Whether `ref` stands whole on this node, and nothing speaks against it. Pure. */
export function isHeld(state: NodeState, site: string, ref: ReleaseRef): boolean {
  const held = state.sites.get(site)?.held.get(ref.release)
  return held?.treeHash === ref.treeHash && held.illness === undefined
}

/** What speaks against a release that stands on this node; null when nothing does. Pure. */
export function illnessOf(state: NodeState, site: string, ref: ReleaseRef): Illness | null {
  const held = state.sites.get(site)?.held.get(ref.release)
  return held?.treeHash === ref.treeHash ? (held.illness ?? null) : null
}

/** Whether `ref` is what readers see. Pure. */
export function isLive(state: NodeState, site: string, ref: ReleaseRef): boolean {
  const live = state.sites.get(site)?.live ?? null
  return live?.release === ref.release && live.treeHash === ref.treeHash
}
