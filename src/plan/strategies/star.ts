import type { Strategy } from './strategy.js'

/** The source serves every node itself: n times its uplink's work, and no node helps. */
export const star: Strategy = {
  shape: (nodes) => [{ sourceSlots: nodes.length, slots: nodes.map(() => 0) }],
}
