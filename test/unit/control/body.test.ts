// Bodies that are cut off by a signal of which the runtime knows nothing: it forgets those that it was given.
import t from 'tap'
import { piecesOfBody } from '../../../src/control/body.js'

/** A body that gives one piece and then stays open, and whether its reader has let go of it. */
function openBody() {
  const seen = { cancelled: false }
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Buffer.from('one')),
    cancel: () => {
      seen.cancelled = true
    },
  })
  return { body, seen }
}

t.test('a firing signal cuts off a body that waits for its next piece', async (t) => {
  const { body, seen } = openBody()
  const stop = new AbortController()
  const pieces = piecesOfBody(body, stop.signal)
  t.strictSame((await pieces.next()).value, Buffer.from('one'))
  const next = pieces.next()
  stop.abort()
  await t.rejects(next, { code: 'ENGINE_ERR_CANCELLED' })
  t.ok(seen.cancelled)
})

t.test('a signal that fires between two pieces cuts a body off at the next', async (t) => {
  const { body, seen } = openBody()
  const stop = new AbortController()
  const pieces = piecesOfBody(body, stop.signal)
  await pieces.next()
  stop.abort()
  await t.rejects(pieces.next(), { code: 'ENGINE_ERR_CANCELLED' })
  t.ok(seen.cancelled)
})

t.test('a signal that has fired before cuts off a body that gives nothing', async (t) => {
  const pieces = piecesOfBody(new ReadableStream<Uint8Array>(), AbortSignal.abort())
  await t.rejects(pieces.next(), { code: 'ENGINE_ERR_CANCELLED' })
})

t.test('one who stops reading lets go of the body and of the signal', async (t) => {
  const { body, seen } = openBody()
  for await (const piece of piecesOfBody(body, undefined)) {
    t.equal(Buffer.from(piece).toString(), 'one')
    break
  }
  t.ok(seen.cancelled)
})
