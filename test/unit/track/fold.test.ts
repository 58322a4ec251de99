// Goal: what nodes report adds up the same in any order. Method: every event by hand, then random orders.
import fc from 'fast-check'
import t from 'tap'
import {
  foldPart,
  markAnew,
  markBehind,
  markDeparted,
  markReturned,
  newPart,
  type NodePart,
  type PartEvent,
  toJobNode,
  toPart,
} from '../../../src/track/fold.js'

const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'no space left', hint: 'free some' }
const fresh = newPart({ id: 'n1', name: 'alpha', segment: 'lan' })

const events: readonly PartEvent[] = [
  { type: 'progress', bytesHave: 10, rateBps: 800 },
  { type: 'progress', bytesHave: 30, rateBps: 900 },
  { type: 'received' },
  { type: 'failed', command: 'publish', error },
  { type: 'staged' },
  { type: 'failed', command: 'commit', error },
  { type: 'live' },
]

const fold = (of: readonly PartEvent[], from: NodePart = fresh) => of.reduce(foldPart, from)

t.test('a part goes from new to live', async (t) => {
  const states = events.filter((event) => event.type !== 'failed').map((_, at, all) => fold(all.slice(0, at + 1)).state)
  t.same(states, ['receiving', 'receiving', 'received', 'staged', 'live'])
})

t.test('a failure says why, and a staged or live release makes it good', async (t) => {
  t.match(fold(events.slice(0, 4)), { state: 'failed', reason: 'no space left', rateBps: 0 })
  t.match(fold(events.slice(0, 5)), { state: 'staged', reason: null })
  t.match(fold(events.slice(0, 6)), { state: 'failed', reason: 'no space left' })
  t.match(fold(events), { state: 'live', reason: null })
})

t.test('the order of reports and their repetition do not matter', async (t) => {
  const orders = fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 })
  fc.assert(
    fc.property(orders, (order) => {
      const part = fold(order)
      return part.state === 'live' && part.bytesHave === 30 && part.reason === null
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 12 }), (drawn) => {
      return fold(drawn).rank === fold([...drawn].reverse()).rank
    }),
  )
  t.pass()
})

t.test('a node that was left behind can still catch up', async (t) => {
  const behind = markBehind(fold(events.slice(0, 3)), 'it has not answered for 12 s')
  t.match(toJobNode(behind), { state: 'behind', reason: 'it has not answered for 12 s', bytesHave: 30 })
  t.match(foldPart(behind, { type: 'progress', bytesHave: 40, rateBps: 1 }), { state: 'receiving', reason: null })
  t.match(foldPart(behind, { type: 'staged' }), { state: 'staged' })
  t.match(toJobNode(markReturned(behind)), { state: 'new', reason: null, bytesHave: 30 })
  t.match(toJobNode(markReturned(fold(events))), { state: 'live' })
})

t.test('a node that fetches all of it again is waited for from the start, one that is out stays so', async (t) => {
  const staged = fold(events.slice(0, 5))
  t.match(toJobNode(markAnew(staged)), { state: 'new', bytesHave: 0, rateBps: 0 })
  t.match(fold([{ type: 'progress', bytesHave: 5, rateBps: 1 }], markAnew(staged)), {
    state: 'receiving',
    bytesHave: 5,
  })
  for (const out of [fold(events), fold(events.slice(0, 4)), markBehind(staged, 'gone')]) t.equal(markAnew(out), out)
})

t.test('nothing that a node reports counts once it has departed, until it takes part anew', async (t) => {
  const gone = markDeparted(fold(events.slice(0, 5)), 'it serves other sites')
  t.match(toJobNode(gone), { state: 'departed', reason: 'it serves other sites', rateBps: 0 })
  fc.assert(fc.property(fc.array(fc.constantFrom(...events)), (drawn) => fold(drawn, gone) === gone))
  t.equal(markBehind(gone, 'no answer'), gone)
  t.equal(markAnew(gone), gone)
  t.equal(markReturned(gone), gone)
  t.equal(toPart(toJobNode(gone)).rank, gone.rank)
})

t.test('a part comes back from its row as it was', async (t) => {
  for (let count = 0; count <= events.length; count++) {
    const part = fold(events.slice(0, count))
    t.same(toJobNode(toPart(toJobNode(part))), toJobNode(part))
  }
})
