import { growStrand } from '../grow.js'
import type { Strategy } from './strategy.js'

const FANOUT = 2

/** One binary tree: logarithmic depth, but half of the nodes never forward and the rest send twice. */
export const tree: Strategy = {
  weave({ nodes, seed }) {
    const [slots, weights] = [nodes.map(() => FANOUT), nodes.map(({ weight }) => weight)]
    return [growStrand({ sourceSlots: FANOUT, slots, weights }, seed)]
  },
}
