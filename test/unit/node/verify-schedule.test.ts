// Goal: a node verifies what it serves again and again, one site after the other, and what an earlier life left
// in doubt first. Method: a clock and a reader that a test drives.
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { seededRandom } from '../../../src/base/random.js'
import { emptyState, fold, type JournalRecord } from '../../../src/node/state.js'
import type { Ledger } from '../../../src/node/ledger.js'
import { VerifySchedule } from '../../../src/node/verify-schedule.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const hash = 'a'.repeat(64)
const live = (site: string): JournalRecord => ({ type: 'live', site, release: 1, treeHash: hash })

const place = (everyMs: number | null) => {
  const clock = new ManualClock()
  const seen: string[] = []
  const records: JournalRecord[] = [live('a'), live('b'), { type: 'staged', site: 'c', release: 1, treeHash: hash }]
  const ledger = { state: records.reduce(fold, emptyState) } as Ledger
  const controls = { failing: '' }
  const verifications = {
    verify: async ({ site, rateBps }: { site: string; rateBps: number | null }) => {
      seen.push(`${site} ${rateBps}`)
      if (site === controls.failing) throw new Error('no')
      return {} as never
    },
    judgeSuspects: async (site: string) => {
      seen.push(`suspects of ${site}`)
      return []
    },
  }
  const random = seededRandom(1)
  const schedule = new VerifySchedule({ verifications, ledger, clock, random, log: silentLogger, everyMs, rateBps: 9 })
  return { clock, seen, schedule, controls }
}

t.test('each round reads every live site, and a site that cannot be read does not stop the next', async (t) => {
  const { clock, seen, schedule, controls } = place(60_000)
  schedule.start()
  await until('what is in doubt was judged', () => seen.length === 3)
  t.strictSame(seen.splice(0), ['suspects of a', 'suspects of b', 'suspects of c'])
  controls.failing = 'a'
  clock.advance(30_000)
  t.strictSame(seen, [], 'not before its time')
  clock.advance(60_000)
  await until('a round is over', () => seen.length === 2)
  t.strictSame(seen.splice(0), ['a 9', 'b 9'])
  await until('the next round came', () => {
    clock.advance(90_000)
    return seen.length >= 2
  })
  await schedule.close()
  seen.splice(0)
  clock.advance(900_000)
  t.strictSame(seen, [], 'closed, it begins no more')
})

t.test('without a time it verifies nothing on its own', async (t) => {
  const { clock, seen, schedule } = place(null)
  schedule.start()
  await until('what is in doubt was judged', () => seen.length === 3)
  clock.advance(2 ** 31)
  await schedule.close()
  t.equal(seen.length, 3)
})
