import t from 'tap'
import { compareApproach } from '../../../src/plan/order.js'
import {
  type Bearing,
  chunkBytesFor,
  fanoutOf,
  limitedWeight,
  measuredWeight,
  usualUplink,
} from '../../../src/plan/uplinks.js'

const MBIT = 1_000_000
const bearing: Bearing = { weight: 1, uplinkBps: null, takesBps: null, load: 0 }

t.test('a node feeds as many at once as its uplink fills', async (t) => {
  const fed = (uplinkMbit: number, takesMbit: number): number =>
    fanoutOf({ ...bearing, uplinkBps: uplinkMbit * MBIT, takesBps: takesMbit * MBIT })
  t.equal(fed(100, 100), 1)
  t.equal(fed(1000, 250), 4)
  t.equal(fed(10_000, 100), 8, 'each further one makes all of them later')
  t.equal(fed(1, 100), 1)
  t.equal(fed(1, 0), 8, 'a figure that cannot be divides nothing by zero')
})

t.test('where nobody has measured, two, and more or fewer as the uplink counts', async (t) => {
  const fed = (weight: number): number => fanoutOf({ ...bearing, weight })
  t.same([0.1, 0.5, 1, 2, 4, 100].map(fed), [1, 1, 2, 4, 8, 8])
  t.equal(fanoutOf({ ...bearing, uplinkBps: 1000 * MBIT }), 2, 'what one receiver takes is not known')
})

t.test('a busy machine feeds fewer', async (t) => {
  const fed = (load: number): number => fanoutOf({ ...bearing, weight: 3, load })
  t.same([0, 0.9, 1, 2, 6, 50].map(fed), [6, 6, 6, 3, 1, 1])
})

t.test('a node counts no more than its limit lets it give', async (t) => {
  t.equal(limitedWeight(1, null, 100 * MBIT), 1)
  t.equal(limitedWeight(1, 25 * MBIT, 100 * MBIT), 0.25)
  t.equal(limitedWeight(0.05, 25 * MBIT, 100 * MBIT), 0.05, 'its link is slower than its limit')
  t.equal(limitedWeight(1, 1000 * MBIT, 100 * MBIT), 1)
  t.equal(limitedWeight(1, 97 * MBIT, 100 * MBIT), 1, 'what is nearly the same is the same')
})

t.test('an uplink counts by what was measured, and what is nearly usual is usual', async (t) => {
  const weighed = (mbit: number): number => measuredWeight(mbit * MBIT, 100 * MBIT)
  t.same([25, 50, 80, 100, 120, 200, 500, 5000].map(weighed), [0.25, 0.5, 1, 1, 1, 2, 4, 4])
  t.equal(measuredWeight(9000 * MBIT, 2500 * MBIT), 1, 'that is what processors can do')
})

t.test('what is usual is what was measured, else the middle of the limits', async (t) => {
  t.equal(usualUplink(7 * MBIT, [MBIT, null]), 7 * MBIT)
  t.equal(usualUplink(0, [MBIT, MBIT, null]), MBIT, 'where most are limited that is usual')
  t.equal(usualUplink(0, [MBIT, null, null]), 100 * MBIT)
  t.equal(usualUplink(0, []), 100 * MBIT)
})

t.test('who is approached first: as ordered, then measured, then seen, then unknown, then slow', async (t) => {
  const uplink = (mbit: number, isFresh: boolean) => ({ uplink: { rateBps: mbit * MBIT, isFresh } })
  const servers = [
    { name: 'slow', weight: 0.1, ...uplink(10, true) },
    { name: 'unknown', weight: 1 },
    { name: 'better unknown', weight: 2 },
    { name: 'seen', weight: 1, ...uplink(900, false) },
    { name: 'fresh', weight: 1, ...uplink(100, true) },
    { name: 'fresh and fast', weight: 1, ...uplink(1000, true) },
    { name: 'ordered second', weight: 1, rank: 1, ...uplink(1000, true) },
    { name: 'ordered first', weight: 0.1, rank: 0 },
  ]
  t.same(
    servers.sort((a, b) => compareApproach(a, b, 1)).map(({ name }) => name),
    ['ordered first', 'ordered second', 'fresh and fast', 'fresh', 'seen', 'better unknown', 'unknown', 'slow'],
  )
  const [slow, unknown] = [servers.at(-1), servers.at(-2)]
  if (slow === undefined || unknown === undefined) throw new Error('none')
  t.ok(compareApproach(slow, unknown, 0.1) < 0, 'of many that are as slow nobody is')
})

t.test('chunks are smaller where uplinks are slow', async (t) => {
  t.equal(chunkBytesFor(4 * MBIT), 16_384)
  t.equal(chunkBytesFor(16 * MBIT), 0)
  t.equal(chunkBytesFor(usualUplink(0, [])), 0, 'nor where nobody knows')
  t.equal(chunkBytesFor(usualUplink(0, [5 * MBIT, null, 5 * MBIT])), 16_384, 'limits count')
})
