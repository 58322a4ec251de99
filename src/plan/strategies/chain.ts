import type { Strategy } from './strategy.js'

/** Each node serves the next one: every uplink works once, and the last node waits for all. */
export const chain: Strategy = {
  shape: (nodes) => [{ sourceSlots: 1, slots: nodes.map(() => 1) }],
}
