import {
  WEBHOOK_FAILING_MS_MAX,
  WEBHOOK_RETRY_FIRST_MS,
  WEBHOOK_RETRY_MS_MAX,
  WEBHOOK_TRIED_MS_MAX,
} from '../../base/outside-limits.js'
import { formatDuration } from '../../base/quantities.js'

/** Each wait is so many times the one before: 5 s, 15 s, 45 s … 12 h, some fifteen attempts in three days. */
const GROWTH = 3
/** A wait is moved by up to this share of itself, so that what failed together does not come back together. */
const JITTER = 0.2

/** What came of one attempt. */
export type Outcome =
  /** `retryAfterMs`: as the receiver asked; null when it did not. */
  | { readonly type: 'answered'; readonly status: number; readonly retryAfterMs: number | null; readonly text: string }
  | { readonly type: 'unanswered'; readonly why: string }

/** How a delivery and its endpoint stood before the attempt. Times are of the wall clock, milliseconds. */
export interface Attempted {
  /** Attempts in vain so far, without this one. */
  readonly attempts: number
  /** When it was written, or asked for again. */
  readonly sinceMs: number
  /** The endpoint is off: somebody asked for this one attempt. */
  readonly isOff: boolean
  /** Since when the endpoint does nothing but fail; null: it does not. */
  readonly failingSinceMs: number | null
}

/** What follows from an attempt. */
export interface Verdict {
  readonly state: 'waiting' | 'delivered' | 'failed'
  /** When it is tried next; null unless it waits. */
  readonly nextAtMs: number | null
  readonly status: number | null
  /** Null when it was delivered. */
  readonly error: string | null
  readonly failingSinceMs: number | null
  /** Why the endpoint is turned off by this; null: it is not. */
  readonly off: string | null
}

/**
 * How long to wait after so many attempts in vain, milliseconds. Pure.
 * @param attempts 1 and more.
 * @param chance [0, 1), from a source of randomness.
 */
export function waitAfter(attempts: number, chance: number): number {
  const waitMs = Math.min(WEBHOOK_RETRY_FIRST_MS * GROWTH ** (attempts - 1), WEBHOOK_RETRY_MS_MAX)
  return Math.round(waitMs * (1 - JITTER + 2 * JITTER * chance))
}

/** What follows from one attempt. Pure. */
export function judge(before: Attempted, outcome: Outcome, nowMs: number, chance: number): Verdict {
  const status = outcome.type === 'answered' ? outcome.status : null
  if (outcome.type === 'answered' && outcome.status >= 200 && outcome.status < 300) {
    return { state: 'delivered', nextAtMs: null, status, error: null, failingSinceMs: null, off: null }
  }
  const failingSinceMs = before.failingSinceMs ?? nowMs
  const error = reasonOf(outcome)
  const off = before.isOff ? null : whyOff(status, failingSinceMs, nowMs)
  const failed = { status, error, failingSinceMs, off }
  if (before.isOff || off !== null) return { ...failed, state: 'failed', nextAtMs: null }
  const askedMs = outcome.type === 'answered' ? (outcome.retryAfterMs ?? 0) : 0
  const waitMs = Math.max(waitAfter(before.attempts + 1, chance), Math.min(askedMs, WEBHOOK_RETRY_MS_MAX))
  const nextAtMs = nowMs + waitMs
  if (nextAtMs > before.sinceMs + WEBHOOK_TRIED_MS_MAX) return { ...failed, state: 'failed', nextAtMs: null }
  return { ...failed, state: 'waiting', nextAtMs }
}

function whyOff(status: number | null, failingSinceMs: number, nowMs: number): string | null {
  if (status === 410) return 'it answered 410 Gone'
  if (nowMs - failingSinceMs < WEBHOOK_FAILING_MS_MAX) return null
  return `nothing but failure for ${formatDuration(nowMs - failingSinceMs)}`
}

function reasonOf(outcome: Outcome): string {
  if (outcome.type === 'unanswered') return outcome.why
  const { status, text } = outcome
  if (status >= 300 && status < 400) return `it answered ${status}: redirects are not followed`
  return text === '' ? `it answered ${status}` : `it answered ${status}: ${text}`
}
