// Goal: what passes is waited for as long as it was promised, and a transfer that gets on is not given up for its age.
// Method: work that fails on a clock that stands still until it is told.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { RECONNECT_MAX_MS, STREAM_OUTAGE_MS_MAX } from '../../../src/base/limits.js'
import { persist } from '../../../src/sending/persisting.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const away = (): EngineError => new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url: 'x', why: 'y' })
const never = new AbortController().signal

/** Lets the time of every wait pass until the work has settled. */
async function settled<T>(clock: ManualClock, work: Promise<T>): Promise<PromiseSettledResult<T>> {
  let isOver = false
  const all = Promise.allSettled([work]).finally(() => (isOver = true))
  await until('it is over', () => {
    clock.advance(RECONNECT_MAX_MS)
    return isOver
  })
  const [outcome] = await all
  return outcome
}

t.test('what lasts longer than it may is given up, and what does not pass is given up at once', async (t) => {
  const clock = new ManualClock()
  let tries = 0
  const outcome = await settled(
    clock,
    persist({ clock, signal: never }, async () => {
      tries += 1
      throw away()
    }),
  )
  t.match(outcome, { status: 'rejected', reason: { code: 'ENGINE_ERR_COORDINATOR_UNREACHABLE' } })
  t.ok(clock.monotonicMs() > STREAM_OUTAGE_MS_MAX && tries > 10)
  const refused = persist({ clock, signal: never }, () => Promise.reject(new EngineError('ENGINE_ERR_NO_SPACE')))
  await t.rejects(refused, { code: 'ENGINE_ERR_NO_SPACE' })
})

t.test('work that took long before it failed is tried again', async (t) => {
  const clock = new ManualClock()
  let tries = 0
  const work = persist({ clock, signal: never }, async () => {
    tries += 1
    if (tries === 2) return 'done'
    clock.advance(2 * STREAM_OUTAGE_MS_MAX)
    throw away()
  })
  t.match(await settled(clock, work), { status: 'fulfilled', value: 'done' })
})

t.test('each progress gives it its whole time anew', async (t) => {
  const clock = new ManualClock()
  let left = 5
  const work = persist({ clock, signal: never }, async (alive) => {
    if (left === 0) return 'done'
    left -= 1
    alive()
    clock.advance(STREAM_OUTAGE_MS_MAX - 1)
    throw away()
  })
  t.match(await settled(clock, work), { status: 'fulfilled', value: 'done' })
})
