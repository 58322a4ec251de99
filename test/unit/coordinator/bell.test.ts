// Goal: a bell wakes all who wait, and nobody waits for ever. Method: rings, none, and a signal.
import t from 'tap'
import { Bell } from '../../../src/coordinator/bell.js'

t.test('a ring wakes everybody once', async (t) => {
  const bell = new Bell()
  const { signal } = new AbortController()
  const waiting = Promise.all([bell.wait(signal), bell.wait(signal)])
  bell.ring()
  await t.resolves(waiting)
  bell.ring()
})

t.test('a signal ends the wait with its reason, also one that fired before', async (t) => {
  const bell = new Bell()
  const controller = new AbortController()
  const waiting = bell.wait(controller.signal)
  controller.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await t.rejects(bell.wait(controller.signal), { message: 'enough' })
  bell.ring()
})
