import { SOURCE } from '../grow.js'
import { compareApproach } from '../order.js'
import type { Strategy } from './strategy.js'

/**
 * Each node serves the next one: every uplink works once, and the last node waits for all. Who has a place in the
 * administrator's order goes first, in that order.
 */
export const chain: Strategy = {
  weave({ nodes }) {
    const ranked = nodes.map((node, at) => ({ at, rank: node.rank ?? Number.MAX_SAFE_INTEGER, weight: 1 }))
    const order = ranked.sort((a, b) => compareApproach(a, b, 1)).map(({ at }) => at)
    const parents = nodes.map(() => SOURCE)
    for (const [place, at] of order.entries()) parents[at] = order[place - 1] ?? SOURCE
    return [parents]
  },
}
