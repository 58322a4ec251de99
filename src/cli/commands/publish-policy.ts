import { parseDurationMs, parseRatio } from '../../base/quantities.js'
import { CANARY_BAKE_MS_DEFAULT, PRIORITY_MAX } from '../../base/policy-limits.js'
import { DAY_MS } from '../../base/units.js'
import { type RepairPolicy, rungs } from '../../model/account.js'
import { parseLimitBps } from '../../model/bandwidth.js'
import type { CanaryPolicy } from '../../model/canary.js'
import { commitKinds, conflictKinds, type JobPolicy, type TimeWindow } from '../../model/job.js'
import { flag, invalid } from './flag.js'

/** Flags of `engine publish` that say when and how it is made live. */
export interface PolicyFlags {
  readonly quorum?: string
  readonly commit?: string
  readonly timeout?: string
  readonly onConflict?: string
  readonly at?: string
  readonly idempotencyKey?: string
  readonly window?: string
  readonly canary?: string
  readonly bake?: string
  readonly health?: string
  readonly repair?: string
  readonly bwlimit?: string
  readonly priority?: string
}

const refuse = (text: string, why: string): never => {
  throw invalid(`"${text}"`, why)
}

const oneOf =
  <T extends string>(names: readonly T[]) =>
  (text: string): T =>
    names.find((name) => name === text) ?? refuse(text, `it is one of ${names.join(', ')}`)

const TIME_FORMS = 'write it like 2026-12-01T02:00, 02:00 or +30m'

/** Reads `HH:MM`. @returns the minute of the day. */
function minuteOf(text: string, asked: string, why = 'write it like 01:00-05:00'): number {
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? []
  const [hour, minute] = [Number(hours), Number(minutes)]
  return hour < 24 && minute < 60 ? hour * 60 + minute : refuse(asked, why)
}

/** Reads `01:00-05:00`, over midnight too. */
export function parseWindow(text: string): TimeWindow {
  const [from = '', to = '', ...rest] = text.split('-')
  const window = { fromMinute: minuteOf(from, text), toMinute: minuteOf(to, text) }
  const isEmpty = rest.length > 0 || window.fromMinute === window.toMinute
  return isEmpty ? refuse(text, 'write it like 01:00-05:00, from and to') : window
}

/**
 * Reads `+30m`, `02:00` (the next time that it is) or `2026-12-01T02:00`; local time unless a zone is given.
 * @returns milliseconds since 1970.
 */
export function parseTime(text: string, nowMs: number): number {
  if (text.startsWith('+')) return nowMs + parseDurationMs(text.slice(1))
  if (/^\d{1,2}:\d{2}$/.test(text)) {
    const minute = minuteOf(text, text, TIME_FORMS)
    const time = new Date(nowMs).setHours(0, minute, 0, 0)
    return time > nowMs ? time : new Date(time + DAY_MS).setHours(0, minute, 0, 0)
  }
  const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) ? new Date(text).getTime() : Number.NaN
  return Number.isFinite(time) ? time : refuse(text, TIME_FORMS)
}

/** Under a key `--at` is a time of its own: one that is counted from now is another when the same is asked again. */
function startOf({ at = '', idempotencyKey }: PolicyFlags, nowMs: number): number {
  const isAbsolute = /^\d{4}-/.test(at)
  if (idempotencyKey === undefined || isAbsolute) return flag('--at', at, (text) => parseTime(text, nowMs))
  throw invalid(
    `--at "${at}" with --idempotency-key`,
    'write the day too, like 2026-12-01T02:00: asked again it is the same',
  )
}

/** Reads `5%`, `3` or `edge-1,edge-2`. */
export function parseCanary(text: string): Pick<CanaryPolicy, 'share' | 'count' | 'nodes'> {
  if (text.endsWith('%')) return { share: parseRatio(text) }
  if (/^\d+$/.test(text)) return { count: Number(text) }
  return { nodes: text.split(',').map((name) => name.trim()) }
}

/** Reads `resend,restart`, or `none`. */
export function parseRepair(text: string): RepairPolicy {
  if (text === 'none') return { rungs: [], attemptsMax: 0 }
  const chosen = text.split(',').map((name) => oneOf(rungs)(name.trim()))
  return { rungs: [...new Set(chosen)], attemptsMax: new Set(chosen).size }
}

function canaryOf({ canary, bake, health }: PolicyFlags): Partial<JobPolicy> {
  if (canary === undefined) {
    if (bake === undefined && health === undefined) return {}
    return refuse(bake === undefined ? '--health' : '--bake', 'it is of canaries: say which with --canary')
  }
  const bakeMs = bake === undefined ? CANARY_BAKE_MS_DEFAULT : flag('--bake', bake, parseDurationMs)
  const named = health === undefined ? {} : { health }
  return { canary: { ...flag('--canary', canary, parseCanary), bakeMs, ...named } }
}

function paceOf({ bwlimit, priority }: PolicyFlags): Partial<JobPolicy> {
  if (bwlimit !== undefined) flag('--bwlimit', bwlimit, parseLimitBps)
  const weight = Number(priority)
  if (priority !== undefined && !(Number.isInteger(weight) && weight >= 1 && weight <= PRIORITY_MAX)) {
    throw invalid(`--priority "${priority}"`, `it is a whole number from 1 to ${PRIORITY_MAX}`)
  }
  return {
    ...(bwlimit === undefined ? {} : { bwlimit }),
    ...(priority === undefined ? {} : { priority: weight }),
  }
}

/** What the flags say; what is not said is left to the defaults. */
export function policyFlags(flags: PolicyFlags, nowMs: number): Partial<JobPolicy> {
  const { quorum, commit, timeout, onConflict, at, window, repair } = flags
  return {
    ...canaryOf(flags),
    ...(quorum === undefined ? {} : { quorum: quorum === 'all' ? 1 : flag('--quorum', quorum, parseRatio) }),
    ...(commit === undefined ? {} : { commit: flag('--commit', commit, oneOf(commitKinds)) }),
    ...(timeout === undefined ? {} : { deadlineMs: flag('--timeout', timeout, parseDurationMs) }),
    ...(onConflict === undefined ? {} : { onConflict: flag('--on-conflict', onConflict, oneOf(conflictKinds)) }),
    ...(at === undefined ? {} : { startAtMs: startOf(flags, nowMs) }),
    ...paceOf(flags),
    ...(repair === undefined ? {} : { repair: flag('--repair', repair, parseRepair) }),
    ...(window === undefined ? {} : { window: flag('--window', window, parseWindow) }),
  }
}
