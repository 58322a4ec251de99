/** How a rate was measured: by a short train or many bytes, sent for this alone; or by what transfers sent anyway. */
export const measureKinds = ['train', 'bulk', 'passive'] as const
export type MeasureKind = (typeof measureKinds)[number]

/** What came of one measurement. */
export interface Measured {
  /** Bits per second. */
  readonly rateBps: number
  /** How long the rate was seen, without the beginning. */
  readonly spanMs: number
  /** That arrived. */
  readonly bytes: number
}

/** What is known of a node's uplink, of all that was measured. */
export interface RateView {
  readonly rateBps: number
  /** Of what counts most. */
  readonly how: MeasureKind
  /** When the newest of it was measured, by the wall clock, and how long ago that is. */
  readonly measuredAtMs: number
  readonly ageMs: number
  /** All of it is too old to be relied on. */
  readonly isStale: boolean
}

/** What is to be measured of a node's links. */
export interface ProbeRequest {
  /** Only what this node can send to it; absent: what the coordinator can, and what it can send to the coordinator. */
  readonly from?: string | undefined
  /** By many bytes, for seconds, instead of a short train. */
  readonly bulk?: boolean | undefined
  /** Also while content is on its way, which makes both slower. */
  readonly force?: boolean | undefined
}

/** One link that was measured; both ends by name. */
export interface ProbeView extends Measured {
  readonly from: string
  readonly to: string
  readonly how: MeasureKind
}
