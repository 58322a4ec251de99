// Goal: waiting can be cancelled, leaves nothing behind, and means the same on every clock.
// Method: the clock of the tests for order, the machine's own for what only it can show; no time is measured.
import { getEventListeners } from 'node:events'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { ManualClock } from '../../support/manual-clock.js'

t.test('timers fire in the order of their time, intervals again and again', async (t) => {
  const clock = new ManualClock(1000)
  const fired: string[] = []
  clock.setTimer(30, () => fired.push('late'))
  clock.setTimer(10, () => fired.push('early'))
  const cancel = clock.setInterval(20, () => fired.push(`every@${clock.nowMs()}`))
  clock.advance(45)
  t.same(fired, ['early', 'every@1020', 'late', 'every@1040'])
  cancel()
  cancel()
  clock.advance(100)
  t.equal(fired.length, 4)
  t.equal(clock.monotonicMs(), 145)
  t.equal(clock.waiting, 0)
})

t.test('a sleep ends when its time has come', async (t) => {
  const clock = new ManualClock()
  let done = false
  const sleeping = clock.sleep(100).then(() => {
    done = true
  })
  clock.advance(99)
  await Promise.resolve()
  t.notOk(done)
  clock.advance(1)
  await sleeping
  t.ok(done)
})

t.test('an abort ends a sleep and leaves neither timer nor listener', async (t) => {
  const clock = new ManualClock()
  const controller = new AbortController()
  const sleeping = clock.sleep(100, controller.signal)
  controller.abort(new Error('why'))
  await t.rejects(sleeping, { code: 'ENGINE_ERR_CANCELLED' })
  t.equal(clock.waiting, 0)
  await t.rejects(clock.sleep(1, controller.signal), { code: 'ENGINE_ERR_CANCELLED' }, 'also when it was before')
  const other = new AbortController()
  const slept = clock.sleep(5, other.signal)
  clock.advance(5)
  await slept
  t.equal(getEventListeners(other.signal, 'abort').length, 0)
})

t.test('the machine’s clock goes on, and its timers can be cancelled', async (t) => {
  const before = systemClock.monotonicMs()
  await systemClock.sleep(1)
  t.ok(systemClock.monotonicMs() >= before)
  t.ok(systemClock.nowMs() > 1_700_000_000_000)
  const cancel = systemClock.setTimer(2 ** 40, () => t.fail('a time beyond the timers’ range must not fire at once'))
  await systemClock.sleep(5)
  cancel()
  await new Promise<void>((resolve) => {
    let count = 0
    const stop = systemClock.setInterval(1, () => {
      count += 1
      if (count < 3) return
      stop()
      resolve()
    })
  })
})
