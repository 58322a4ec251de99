import type { Strategy } from './strategy.js'

/** Each node serves the next one: every uplink works once, and the last node waits for all. */
export const chain: Strategy = {
  weave: ({ nodes }) => [nodes.map((_, at) => at - 1)],
}
