// Turns and places: order by key, and a line that one can leave.
import t from 'tap'
import { Places, Turns } from '../../../src/node/turns.js'

const gate = (): { readonly opened: Promise<void>; open: () => void } => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

t.test('what is done to one thing happens in order, to others meanwhile', async (t) => {
  const turns = new Turns()
  const first = gate()
  const order: string[] = []
  const work = [
    turns.run('a', () => first.opened.then(() => void order.push('a1'))),
    turns.run('a', async () => void order.push('a2')),
    turns.run('b', async () => void order.push('b1')),
  ]
  await work[2]
  t.strictSame(order, ['b1'])
  first.open()
  await turns.idle()
  t.strictSame(order, ['b1', 'a1', 'a2'])
})

t.test('a turn that fails does not stop the next', async (t) => {
  const turns = new Turns()
  const failed = turns.run('a', () => Promise.reject(new Error('x')))
  const next = turns.run('a', async () => 7)
  await t.rejects(failed, { message: 'x' })
  t.equal(await next, 7)
  await turns.idle()
})

t.test('places are given in order, and who leaves the line takes none', async (t) => {
  const places = new Places(1)
  const never = new AbortController().signal
  await places.take(never)
  const leaving = new AbortController()
  const left = places.take(leaving.signal)
  const got: number[] = []
  const second = places.take(never).then(() => got.push(2))
  const third = places.take(never).then(() => got.push(3))
  leaving.abort()
  await t.rejects(left, { code: 'ENGINE_ERR_CANCELLED' })
  await t.rejects(places.take(leaving.signal), { code: 'ENGINE_ERR_CANCELLED' })
  places.give()
  await second
  t.strictSame(got, [2])
  places.give()
  await third
  places.give()
  await places.take(never)
})
