import { SOURCE } from '../grow.js'
import type { Strategy } from './strategy.js'

/** The source serves every node itself: n times its uplink's work, and no node helps. */
export const star: Strategy = {
  weave: ({ nodes }) => [nodes.map(() => SOURCE)],
}
