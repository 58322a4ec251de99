// Goal: what a node says of itself is on record when that is said, many at once in few steps, and one that may not be
// recorded harms no other. Method: the real database.
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { NodeBook } from '../../../src/coordinator/node-book.js'
import type { NodeIdentity } from '../../../src/model/node.js'
import { Store } from '../../../src/store/store.js'

const store = await Store.open(join(t.testdir(), 'engine.db'))
t.teardown(() => store.close())

const identity = (index: number, name = `n${index}`): NodeIdentity => ({
  ...{ id: String(index), name, groups: ['edge'], segment: 'here' },
  dataAddress: { host: '127.0.0.1', port: 9 },
})

t.test('many that join, are heard and leave at once are on record in few transactions', async (t) => {
  let transactions = 0
  const counted: Pick<Store, 'transaction'> = {
    transaction: (work) => {
      transactions += 1
      return store.transaction(work)
    },
  }
  const book = new NodeBook(counted, systemClock)
  const live = { release: 3, treeHash: 'ab' }
  await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      await book.put(identity(index), [], 5, null)
      await Promise.all([
        book.setSites(String(index), [{ site: 'www', live, held: [live] }], 6),
        book.setSeen(String(index), 7),
      ])
    }),
  )
  const nodes = await store.nodes.list()
  t.equal(nodes.length, 300)
  t.match(nodes[0], { lastSeenMs: 7, sites: [{ live }] })
  t.ok(transactions <= 8, `${transactions} transactions`)
})

t.test('one whose name another node has is refused alone', async (t) => {
  const book = new NodeBook(store, systemClock)
  const outcomes = await Promise.allSettled([
    book.put(identity(1000), [], 5, null),
    book.put(identity(1001, 'n7'), [], 5, null),
    book.put(identity(1002), [], 5, null),
  ])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { reason: { code: 'ENGINE_ERR_NODE_NAME_TAKEN' } },
    { status: 'fulfilled' },
  ])
  t.same((await store.nodes.get('1002'))?.name, 'n1002')
})
