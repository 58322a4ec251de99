import { DAY_MS, HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from './units.js'

// Limits of what is told outside: webhooks and the event stream of the fleet. As in limits.ts, each with its reason.

/** Webhooks of one coordinator: each event is compared with all of them. Callbacks of jobs do not count. */
export const WEBHOOKS_MAX = 100

/** The address of a webhook: what proxies and servers take without being asked. */
export const WEBHOOK_URL_CHARS_MAX = 2048

/** Patterns of one webhook or one reader of events: all types there are, by name. */
export const EVENT_PATTERNS_MAX = 32

/** The key of a webhook at least, as Standard Webhooks has it: 192 bits. */
export const WEBHOOK_SECRET_BYTES_MIN = 24

/** The key of a webhook at most, as Standard Webhooks has it: more than a block of SHA-256 adds nothing. */
export const WEBHOOK_SECRET_BYTES_MAX = 64

/** A secret as text, before its form is looked at: `whsec_` and base64 of WEBHOOK_SECRET_BYTES_MAX are 94. */
export const WEBHOOK_SECRET_CHARS_MAX = 256

/** A secret signs for this long beside the one that took its place: a working day to bring the new one everywhere. */
export const WEBHOOK_SECRET_OVERLAP_MS = DAY_MS

/** First wait after a callback in vain; three times as long each time, with jitter. */
export const WEBHOOK_RETRY_FIRST_MS = 5 * SECOND_MS

/** Longest wait between two attempts of a callback: a receiver that was repaired overnight has it by noon. */
export const WEBHOOK_RETRY_MS_MAX = 12 * HOUR_MS

/** A callback is tried for this long, a weekend with a day to spare; then it can be sent again by hand. */
export const WEBHOOK_TRIED_MS_MAX = 3 * DAY_MS

/** A webhook that did nothing but fail for this long is turned off: nobody is there any more. */
export const WEBHOOK_FAILING_MS_MAX = 5 * DAY_MS

/** A callback from the look-up of its name to the end of the answer: receivers answer first and work later. */
export const WEBHOOK_TIMEOUT_MS = 15 * SECOND_MS

/** Of the answer to a callback at most this much is read: a reason fits, a flood costs nothing. */
export const WEBHOOK_ANSWER_BYTES_MAX = 4 * KIB

/** Why a callback failed, as it is kept: a line that is read at a glance. */
export const WEBHOOK_ERROR_CHARS_MAX = 300

/** Webhooks that are called at once: one that hangs holds one turn for WEBHOOK_TIMEOUT_MS. */
export const WEBHOOKS_AT_ONCE_MAX = 16

/** Deliveries of a webhook that are kept when they are over: the log of some weeks. */
export const DELIVERIES_KEPT = 500

/** Deliveries that wait for one webhook: beyond it the oldest are given up, so that one that is away fills no disk. */
export const DELIVERIES_WAITING_MAX = 5000

/** The event stream replays this much: who was away for longer asks for the state itself. */
export const FLEET_EVENTS_KEPT_MS = HOUR_MS

/** Events of the fleet that are read at once: some hundred kilobytes. */
export const FLEET_EVENTS_PAGE = 200

/** Nodes that an event names of those that are not live: the job itself names all. */
export const EVENT_NODES_MAX = 20

/** The database is pruned this often although no job ends: a fraction of FLEET_EVENTS_KEPT_MS. */
export const PRUNE_EVERY_MS = 10 * MINUTE_MS
