// Goal: a receipt is on record when that is said, and a bad one harms no other. Method: the real database.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { ReceiptBook } from '../../../src/coordinator/receipt-book.js'
import type { Receipt } from '../../../src/model/job.js'
import { Store } from '../../../src/store/store.js'

const directory = await mkdtemp(join(tmpdir(), 'distributary-receipts-'))
const store = await Store.open(join(directory, 'engine.db'))
t.teardown(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})
const policy = { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' } as const
await store.jobs.create({
  ...{ id: 'j', site: 'www', group: 'edge', only: null, state: 'distributing', policy, release: 1 },
  ...{ baseRelease: null, treeHash: null, reason: null, changes: null, assignment: null, error: null },
  ...{ createdAtMs: 1, finishedAtMs: null },
})

const receipt = (node: number, jobId = 'j'): Receipt => ({
  ...{ jobId, nodeId: String(node), nodeName: `n${node}`, command: 'publish', kind: 'completion', release: 1 },
  ...{ treeHash: 'a', atMs: 1, recordedAtMs: 1, bytesFetched: 0, output: null, error: null, number: 1 },
  ...{ commandId: 'c', site: 'www', signature: null, publicKey: null },
})

t.test('many at once are all on record when they say so, and cost few transactions', async (t) => {
  let transactions = 0
  const counted: Pick<Store, 'transaction' | 'receipts'> = {
    receipts: store.receipts,
    transaction: (work) => {
      transactions += 1
      return store.transaction(work)
    },
  }
  const book = new ReceiptBook(counted, systemClock)
  await Promise.all(Array.from({ length: 600 }, (_, node) => book.record(receipt(node))))
  t.equal((await store.receipts.list('j')).length, 600)
  t.ok(transactions <= 4, `${transactions} transactions`)
})

t.test('one about a job that nobody knows is refused alone', async (t) => {
  const book = new ReceiptBook(store, systemClock)
  const outcomes = await Promise.allSettled(
    [1000, 1001, 1002].map((node) => book.record(receipt(node, node === 1001 ? 'x' : 'j'))),
  )
  t.same(
    outcomes.map((outcome) => outcome.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await book.record(receipt(1003))
  t.equal((await store.receipts.list('j')).length, 603)
})
