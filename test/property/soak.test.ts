// Goal: schedules of the soak can be played again by their numbers, and leave enough nodes well for a job to be judged.
// Method: properties over series and numbers.
import t from 'tap'
import fc from 'fast-check'
import { strategyNames } from '../../src/model/plan.js'
import { describe, drawSchedule, isCuttable } from '../e2e/soak/schedule.js'

const series = { seed: 1, nodesMin: 2, nodesMax: 16 }

t.test('the same number gives the same schedule', async () => {
  fc.assert(
    fc.property(
      fc.nat(),
      (number) => describe(drawSchedule(series, number)) === describe(drawSchedule(series, number)),
    ),
  )
})

t.test('each node is hit once at most, half of them never, and cut off only where there is a way to cut', async () => {
  const holds = (seed: number, number: number): boolean => {
    const { nodes, faults } = drawSchedule({ ...series, seed }, number)
    const hit = faults.filter(({ kind }) => kind !== 'join' && kind !== 'coordinator').map(({ node }) => node)
    const isOnce = new Set(hit).size === hit.length && hit.length <= Math.ceil(nodes / 2)
    const isThere = hit.every((node) => node >= 1 && node <= nodes)
    return isOnce && isThere && faults.every(({ kind, node }) => kind !== 'cut' || isCuttable(node))
  }
  fc.assert(fc.property(fc.nat(), fc.nat(1_000_000), holds))
})

t.test('five hundred schedules have every strategy with every kind of fault', async (t) => {
  const seen = new Set<string>()
  for (let number = 1; number <= 500; number++) {
    const { strategy, faults } = drawSchedule(series, number)
    for (const { kind } of faults) seen.add(`${strategy} ${kind}`)
  }
  t.equal(seen.size, strategyNames.length * 6, [...seen].toSorted().join(', '))
})
