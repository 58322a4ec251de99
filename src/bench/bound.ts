import { BITS_PER_BYTE } from '../base/units.js'

/** What each of those who take part can send and receive. */
export interface Rates {
  readonly upBps: number
  readonly downBps: number
}

export interface Capacities {
  readonly sizeBytes: number
  readonly source: Rates
  readonly nodes: readonly Rates[]
  /** The ways of segments that have to bring the content in from another; all of the same rate. */
  readonly entries: { readonly count: number; readonly rateBps: number }
}

/** What no plan can beat, and for which reason. */
export interface Bound {
  readonly seconds: number
  readonly by: 'source uplink' | 'slowest downlink' | 'all uplinks' | 'way into a segment'
}

/**
 * The fluid bound: nobody is done before the source has sent one copy, the slowest has received one, all together have
 * sent one for each node, and one has come into each segment. The first in this order where several are equal. Pure.
 */
export function fluidBound({ sizeBytes, source, nodes, entries }: Capacities): Bound {
  const bits = sizeBytes * BITS_PER_BYTE
  const slowestBps = nodes.reduce((least, { downBps }) => Math.min(least, downBps), Number.POSITIVE_INFINITY)
  const togetherBps = nodes.reduce((sum, { upBps }) => sum + upBps, source.upBps)
  const bounds: readonly Bound[] = [
    { by: 'source uplink', seconds: bits / source.upBps },
    { by: 'slowest downlink', seconds: bits / slowestBps },
    { by: 'all uplinks', seconds: (nodes.length * bits) / togetherBps },
    { by: 'way into a segment', seconds: entries.count === 0 ? 0 : bits / entries.rateBps },
  ]
  return bounds.reduce((most, each) => (each.seconds > most.seconds ? each : most))
}
