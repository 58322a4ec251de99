import { BITS_PER_BYTE, KIB } from '../base/units.js'
import type { Way } from '../native/rehearsal.js'

/** A network of equal ports, in segments that a slower way joins, and what is spread over it from the first segment. */
export interface Network {
  readonly nodeCount: number
  readonly sizeBytes: number
  readonly chunkBytes: number
  /** Of the source and of each node, each way. */
  readonly rateBps: number
  /** 1: all are in one. */
  readonly segmentCount: number
  /** Of the way that a segment has to all others, each way. */
  readonly wanRateBps: number
  /** One way, between two segments. */
  readonly wanDelayMs: number
  /** Links carry packets with headers and acknowledgements, as TCP has it; else content alone. */
  readonly isTcp?: boolean | undefined
  /** The planner takes links for known, as after an earlier transfer; else it compares them first. */
  readonly isKnown?: boolean | undefined
}

/** What a connection between segments has under way at least: the relay's own buffer for such links. */
const WAN_WINDOW_BYTES = 512 * KIB

/** How many chunks the content is. */
export const chunkCountOf = ({ sizeBytes, chunkBytes }: Network): number => Math.ceil(sizeBytes / chunkBytes)

/** The segment that a node is in, by its place; as many in each, in turn. The source is in segment 0. */
export const segmentOf = ({ segmentCount }: Network, place: number): number => place % segmentCount

/** What a segment has towards the others: half of the delay lies on each side. */
export const wayOf = ({ wanRateBps, wanDelayMs }: Network): Way => ({
  upBps: wanRateBps,
  downBps: wanRateBps,
  delayUs: Math.round((wanDelayMs * 1000) / 2),
  // Twice what is under way in a round trip.
  windowBytes: Math.max(WAN_WINDOW_BYTES, Math.ceil((wanRateBps / BITS_PER_BYTE / 1000) * wanDelayMs * 4)),
})
