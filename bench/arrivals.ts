import { curveOf } from '../src/bench/figures.js'
import type { Plot } from '../src/bench/plot.js'

/** When each host had everything in one run, in seconds after the order; early results do not say. */
export interface Arrived {
  readonly contender: string
  readonly arrivals?: readonly number[]
}

/** The share of hosts that have everything, over time, by contender; of several runs of one all together. */
export function plotOfArrivals(title: string, boundSeconds: number, figures: readonly Arrived[]): Plot {
  const told = figures.filter(({ arrivals }) => arrivals !== undefined)
  const curves = [...new Set(told.map(({ contender }) => contender))].map((name) => {
    const own = told.filter(({ contender }) => contender === name).flatMap(({ arrivals = [] }) => arrivals)
    const sorted = own.toSorted((a, b) => a - b)
    return { name, points: curveOf(sorted, sorted.length) }
  })
  return { title, boundSeconds, curves }
}
