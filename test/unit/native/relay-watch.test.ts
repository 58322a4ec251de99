// Goal: what a relay's peers do wrong is told and logged, not too often and nothing twice, and so is a dead listener.
// Method: figures made by hand, a clock that is moved.
import t from 'tap'
import type { Logger } from '../../../src/base/log.js'
import { RELAY_FAULTS_TELL_MS } from '../../../src/base/transfer-limits.js'
import { type RelayFaults, RelayWatch } from '../../../src/native/relay-watch.js'
import { ManualClock } from '../../support/manual-clock.js'

const figures = (session: number, corruptChunks: number, faultyLinks: number, lastFault: string | null = null) => ({
  ...{ session, corruptChunks, faultyLinks, lastFault },
})

function place() {
  const clock = new ManualClock()
  const [warned, failed, told] = [new Array<object>(), new Array<object>(), new Array<RelayFaults>()]
  const log = { warn: (facts: object) => warned.push(facts), error: (facts: object) => failed.push(facts) }
  const state = { isHeard: true, isListening: true }
  const watch = new RelayWatch({
    ...{ clock, log: log as unknown as Logger, isListening: () => state.isListening },
    tell: (faults) => {
      if (state.isHeard) told.push(faults)
      return state.isHeard
    },
  })
  return { clock, warned, failed, told, state, watch }
}

t.test('what came wrong is told at once, and then once a minute, over all sessions and nothing twice', async (t) => {
  const { clock, warned, told, watch } = place()
  watch.look([figures(1, 0, 0)])
  t.same(told, [])
  watch.look([figures(1, 1, 1, 'a chunk')])
  watch.look([figures(1, 2, 2, 'a chunk'), figures(2, 0, 3, 'a word')])
  t.same(told, [{ corruptChunks: 1, faultyLinks: 1 }])
  clock.advance(RELAY_FAULTS_TELL_MS)
  watch.look([figures(2, 0, 3, 'a word')])
  t.same(told[1], { corruptChunks: 1, faultyLinks: 4 })
  t.same(warned, [
    { corruptChunks: 1, faultyLinks: 1, lastFault: 'a chunk' },
    { corruptChunks: 1, faultyLinks: 4, lastFault: 'a word' },
  ])
  clock.advance(RELAY_FAULTS_TELL_MS)
  watch.look([figures(2, 0, 3, 'a word')])
  t.equal(told.length, 2)
})

t.test('what nobody heard is told again, and logged once', async (t) => {
  const { clock, warned, told, state, watch } = place()
  state.isHeard = false
  watch.look([figures(1, 1, 1)])
  clock.advance(RELAY_FAULTS_TELL_MS)
  watch.look([figures(1, 1, 1)])
  state.isHeard = true
  clock.advance(RELAY_FAULTS_TELL_MS)
  watch.look([figures(1, 1, 1)])
  t.same(told, [{ corruptChunks: 1, faultyLinks: 1 }])
  t.equal(warned.length, 1)
})

t.test('a relay that nobody can reach any more says so once, and what to do', async (t) => {
  const { failed, state, watch } = place()
  watch.look([])
  state.isListening = false
  for (let look = 0; look < 3; look++) watch.look([])
  t.match(failed, [{ err: { code: 'ENGINE_ERR_LISTEN', hint: 'restart this process' } }])
  t.equal(failed.length, 1)
})
