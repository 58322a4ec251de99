/** How fast one assignment is sent by each of its senders. */
export interface Pace {
  /** Bits of content a second; null: as the sender's own limit allows. */
  readonly rateBps: number | null
  /** Its part of a sender's rate beside other assignments', 1 to 100. */
  readonly weight: number
  /** Nothing is sent until it ends; what is there stays. */
  readonly isPaused: boolean
}
