import type { Strategy } from './strategy.js'

const FANOUT = 2

/** One binary tree: logarithmic depth, but half of the nodes never forward and the rest send twice. */
export const tree: Strategy = {
  shape: (nodes) => [{ sourceSlots: FANOUT, slots: nodes.map(() => FANOUT) }],
}
