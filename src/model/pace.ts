import { PRIORITY_DEFAULT } from '../base/policy-limits.js'

/** How fast one assignment is sent by each of its senders. */
export interface Pace {
  /** Bits of content a second; null: as the sender's own limit allows. */
  readonly rateBps: number | null
  /** Its part of a sender's rate beside other assignments', 1 to PRIORITY_MAX. */
  readonly weight: number
  /** Nothing is sent until it ends; what is there stays. */
  readonly isPaused: boolean
}

/** When nobody says anything. */
export const usualPace: Pace = { rateBps: null, weight: PRIORITY_DEFAULT, isPaused: false }
