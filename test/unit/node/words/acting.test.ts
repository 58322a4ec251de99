// What could not be done of a word is tried again, ever more seldom: each attempt leaves a report that is kept.
import t from 'tap'
import { silentLogger } from '../../../../src/base/log.js'
import { WORD_LOOK_MS, WORD_RETRY_MS, WORD_RETRY_MS_MAX } from '../../../../src/base/word-limits.js'
import { Acting } from '../../../../src/node/words/acting.js'
import { Shelf } from '../../../../src/node/words/shelf.js'
import { ManualClock } from '../../../support/manual-clock.js'
import { openParts } from '../../../support/node-parts.js'
import { hookCommand, serverOf, wordOf } from '../../../support/words.js'

const nowhere = { readAll: async () => new Map<string, string>(), write: async () => {} }

t.test('the waits between attempts grow to their limit, and are short again for what comes next', async (t) => {
  const { ledger } = await openParts(t)
  const clock = new ManualClock()
  const shelf = new Shelf(nowhere, () => true, silentLogger)
  const triedAtMs: number[] = []
  let fails = true
  const acting = new Acting({
    ...{ ledger, clock, shelf, log: silentLogger, nodeId: serverOf(1).nodeId, isUnderWay: () => false },
    async carryOut({ jobId, number, site, revision = 0 }) {
      triedAtMs.push(clock.monotonicMs())
      if (fails) return
      await ledger.record({ type: 'executed', jobId, number, phase: 'completion', error: null, site, revision })
    },
  })
  const actFor = async (ms: number): Promise<void> => {
    for (const endMs = clock.monotonicMs() + ms; clock.monotonicMs() < endMs; clock.advance(WORD_LOOK_MS)) {
      await acting.act('www', () => 'n2')
    }
  }
  await shelf.put(wordOf(1, { commands: [hookCommand(1, 1)] }), false)
  await actFor(6 * WORD_RETRY_MS_MAX)
  const waits = triedAtMs.slice(1).map((atMs, index) => atMs - (triedAtMs[index] ?? 0))
  t.same(waits.slice(0, 3), [WORD_RETRY_MS, 2 * WORD_RETRY_MS, 4 * WORD_RETRY_MS])
  t.equal(waits.at(-1), WORD_RETRY_MS_MAX)
  t.ok(triedAtMs.length < 15, `${triedAtMs.length} attempts in six hours`)
  await shelf.put(wordOf(2, { commands: [hookCommand(2, 2)] }), false)
  const before = triedAtMs.length
  await actFor(WORD_RETRY_MS + WORD_LOOK_MS)
  t.equal(triedAtMs.length, before + 2)
  fails = false
  await actFor(3 * WORD_RETRY_MS)
  t.equal(triedAtMs.length, before + 3, 'what is done is not tried again')
})
