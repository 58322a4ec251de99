import { EngineError } from '../base/errors.js'
import { BANDWIDTH_BPS_MIN, BANDWIDTH_SLOTS_MAX } from '../base/policy-limits.js'
import { formatRate, parseRateBps } from '../base/quantities.js'
import { BITS_PER_BYTE, DAY_MS, KIB, MIB, MINUTE_MS } from '../base/units.js'

/** From this minute of the week on (0 is Sunday, midnight) so much may be sent. */
export interface BandwidthSlot {
  readonly minute: number
  /** Bits per second; null: no limit. */
  readonly rateBps: number | null
}

/** A limit of what is sent, which may differ by time of the week. In order of their minutes; never empty. */
export type Bandwidth = readonly BandwidthSlot[]

/** What limits are when nobody says any. */
export const BANDWIDTH_OFF = 'off'

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const DAY_MINUTES = DAY_MS / MINUTE_MS
const WEEK_MINUTES = 7 * DAY_MINUTES
/** 1970 began on a Thursday. */
const EPOCH_WEEKDAY = 4
const FORM = 'write it like 5M, 40Mbit, off or "08:00,5M 19:00,off Sat-00:00,off"'

function refuse(text: string, why: string): never {
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `the bandwidth limit "${text}"`, why })
}

/**
 * Reads a limit without times: `5M` is bytes a second (powers of 1024), `40Mbit` is bits, `off` is none.
 * @returns bits a second, or null. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseLimitBps(text: string): number | null {
  const trimmed = text.trim()
  if (trimmed.toLowerCase() === BANDWIDTH_OFF) return null
  // A number alone is bytes to some programs and kilobytes to others.
  if (!/^\d+(\.\d+)?\s*([kmg](i?b)?|b|[kmg]?bit)(\/s)?$/i.test(trimmed)) refuse(text, `${FORM}, with its unit`)
  const rateBps = parseRateBps(trimmed)
  if (!Number.isSafeInteger(rateBps) || rateBps < BANDWIDTH_BPS_MIN) {
    refuse(
      text,
      `at least ${formatRate(BANDWIDTH_BPS_MIN)} is needed, or peers take a sender for dead; off is no limit`,
    )
  }
  return rateBps
}

/**
 * Reads a limit, or a timetable of limits: slots `HH:MM,LIMIT` or `Day-HH:MM,LIMIT`, parted by spaces or semicolons.
 * Each holds until the next one, of whatever day, begins.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseBandwidth(text: string): Bandwidth {
  const parts = text.split(/[\s;]+/).filter((part) => part !== '')
  const [only = ''] = parts
  if (parts.length <= 1 && !only.includes(',')) return [{ minute: 0, rateBps: parseLimitBps(only) }]
  const slots = parts.flatMap((part) => slotsOf(part, text)).toSorted((a, b) => a.minute - b.minute)
  if (slots.length > BANDWIDTH_SLOTS_MAX) refuse(text, `it has more than ${BANDWIDTH_SLOTS_MAX} changes a week`)
  const twice = slots.find(({ minute }, at) => slots[at + 1]?.minute === minute)
  if (twice !== undefined) refuse(text, `two slots begin on ${formatMinute(twice.minute)}`)
  return slots
}

/** One slot of a timetable; without a day it is one of each. */
function slotsOf(part: string, text: string): BandwidthSlot[] {
  const [, day, hours, minutes, limit = ''] = /^(?:([a-z]+)-)?(\d{1,2}):(\d{2}),(.+)$/i.exec(part) ?? refuse(text, FORM)
  const [hour, minute] = [Number(hours), Number(minutes)]
  if (hour > 23 || minute > 59) refuse(text, `${hours}:${minutes} is no time of a day`)
  const of = (weekday: number) => ({
    minute: weekday * DAY_MINUTES + hour * 60 + minute,
    rateBps: parseLimitBps(limit),
  })
  if (day === undefined) return weekdays.map((_, weekday) => of(weekday))
  const weekday = weekdays.findIndex((name) => day.toLowerCase().startsWith(name.toLowerCase()))
  return weekday === -1 ? refuse(text, `${day} is none of ${weekdays.join(', ')}`) : [of(weekday)]
}

/** The limit at a time. Pure. @param localMs  milliseconds since 1970 of the wall clock as people read it. */
export function bandwidthAt(bandwidth: Bandwidth, localMs: number): number | null {
  const minute = minuteOfWeek(localMs)
  const slot = bandwidth.findLast((each) => each.minute <= minute) ?? bandwidth.at(-1)
  return slot?.rateBps ?? null
}

/** How long until the limit may change; null: it never does. Pure. */
export function nextChangeMs(bandwidth: Bandwidth, localMs: number): number | null {
  const [first] = bandwidth
  if (first === undefined || bandwidth.length === 1) return null
  const minute = minuteOfWeek(localMs)
  const next = bandwidth.find((each) => each.minute > minute)?.minute ?? first.minute + WEEK_MINUTES
  return (next - minute) * MINUTE_MS - (localMs % MINUTE_MS)
}

const minuteOfWeek = (localMs: number): number =>
  (Math.floor(localMs / MINUTE_MS) + EPOCH_WEEKDAY * DAY_MINUTES) % WEEK_MINUTES

/** Writes it as it is read: the same limit comes of it. */
export function formatBandwidth(bandwidth: Bandwidth): string {
  const [first, ...others] = bandwidth
  if (first !== undefined && others.length === 0 && first.minute === 0) return formatLimit(first.rateBps)
  return bandwidth.map(({ minute, rateBps }) => `${formatMinute(minute)},${formatLimit(rateBps)}`).join(' ')
}

function formatMinute(minute: number): string {
  const two = (part: number): string => String(Math.floor(part)).padStart(2, '0')
  const ofDay = minute % DAY_MINUTES
  return `${weekdays[Math.floor(minute / DAY_MINUTES)]}-${two(ofDay / 60)}:${two(ofDay % 60)}`
}

/** Writes one limit as it is read: `5M`, `300k`, else in bits. */
export function formatLimit(rateBps: number | null): string {
  if (rateBps === null) return BANDWIDTH_OFF
  const bytes = rateBps / BITS_PER_BYTE
  if (bytes % MIB === 0) return `${bytes / MIB}M`
  return bytes % KIB === 0 ? `${bytes / KIB}k` : `${rateBps}bit`
}

/** A limit as it was written, and what it comes to now. */
export interface BandwidthView {
  readonly bandwidth: string
  /** Bits per second; null: no limit. */
  readonly rateBps: number | null
}

/** The same of one process, by name: a node, or the coordinator. */
export interface LimitView extends BandwidthView {
  readonly name: string
}

/** How the coordinator is called where nodes go by their names. */
export const COORDINATOR_NAME = 'coordinator'
