import { seededRandom, shuffled } from '../base/random.js'

/** What befalls nodes, as shares of them. */
export interface FaultShares {
  /** Killed, with their connections reset, at a random time in the middle. */
  readonly failing: number
  /** Behind a port of a part of the rate, both ways, from the beginning. */
  readonly slow: number
  /** Whose uplink breaks down half-way. */
  readonly decaying: number
}

/** A node, by its place, and when something happens to it, as a share of the bound. */
export interface Fault {
  readonly place: number
  readonly at: number
}

export interface Faults {
  readonly slow: ReadonlySet<number>
  /** By time. */
  readonly deaths: readonly Fault[]
  readonly decays: readonly Fault[]
}

/** What a slow port carries of the usual rate, and what is left of an uplink that breaks down. */
export const SLOW_RATIO = 0.2
export const DECAY_RATIO = 0.05

/** Deaths lie between these shares of the bound: in the middle of the transfer. */
const DEATHS_FROM = 0.1
const DEATHS_SPAN = 0.8
const DECAYS_AT = 0.5

/** Draws who is hit by what; nobody by two of them. Pure: the same seed gives the same. */
export function drawFaults(nodeCount: number, shares: FaultShares, seed: number): Faults {
  const random = seededRandom(seed)
  const drawn = shuffled(
    Array.from({ length: nodeCount }, (_, place) => place),
    random,
  )
  const take = (share: number): number[] => drawn.splice(0, Math.round(nodeCount * share))
  const deaths = take(shares.failing).map((place) => ({ place, at: DEATHS_FROM + DEATHS_SPAN * random.next() }))
  const slow = new Set(take(shares.slow))
  const decays = take(shares.decaying).map((place) => ({ place, at: DECAYS_AT }))
  return { slow, deaths: deaths.toSorted((a, b) => a.at - b.at), decays }
}
