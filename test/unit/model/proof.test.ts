// Goal: a signed receipt proves all that its node said, and nothing else.
// Method: any receipt, through JSON and the database, then changed in one field.
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { Signer } from '../../../src/base/signing.js'
import { type Receipt } from '../../../src/model/job.js'
import { proofOf, type ReportFacts, signReport } from '../../../src/model/proof.js'
import { Store } from '../../../src/store/store.js'
import { someSigner } from '../../support/audit.js'
import { jobRecord, receipt } from '../../support/records.js'

const hex = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((all) => all.join(''))
const text = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '\0', 'é', '\u2028', '\ud83d', '\ude00', '😀') })

const anyReceipt: fc.Arbitrary<Receipt> = fc
  .record({
    ...{
      nodeId: hex(32),
      jobId: fc.constant(jobRecord().id),
      number: fc.integer({ min: 1, max: 64 }),
      commandId: text,
    },
    ...{ site: fc.constantFrom('www', 'docs'), command: fc.constantFrom('publish', 'commit', 'run-hook') },
    ...{ kind: fc.constantFrom('receipt', 'completion', 'failure'), release: fc.option(fc.integer({ min: 1 })) },
    ...{ treeHash: fc.option(hex(64)), atMs: fc.nat(), bytesFetched: fc.nat(), output: fc.option(text) },
    error: fc.option(fc.record({ code: text, message: text, hint: text })),
  })
  .map((facts) => {
    const said = facts as unknown as ReportFacts
    return receipt({ ...said, signature: signReport(said, someSigner), publicKey: someSigner.publicKey })
  })

const signed = [
  'nodeId',
  'jobId',
  'number',
  'commandId',
  'site',
  'command',
  'kind',
  'release',
  'treeHash',
  'atMs',
] as const
const fields = [...signed, 'bytesFetched', 'output', 'error', 'signature', 'publicKey'] as const

const other = (value: unknown): unknown => {
  if (typeof value === 'number') return value + 1
  if (typeof value === 'string') return /^[0-9a-f]+$/.test(value) ? value.replace(/./, flipped) : `${value}x`
  return value === null ? 'x' : null
}
const flipped = (digit: string): string => (digit === '0' ? '1' : '0')

t.test('what a node signed is proven; whatever is changed in it is not', async (t) => {
  fc.assert(
    fc.property(anyReceipt, fc.constantFrom(...fields), (one, field) => {
      t.equal(proofOf(one), 'signed')
      const changed = field === 'error' && one.error === null ? { code: '', message: '', hint: '' } : other(one[field])
      t.equal(proofOf({ ...one, [field]: changed }), 'wrong', field)
      t.equal(proofOf({ ...one, nodeName: 'renamed', recordedAtMs: 1 }), 'signed', 'the coordinator says these')
    }),
  )
})

t.test('each text of an error counts, and stands where it is', async (t) => {
  const error = { code: 'a', message: 'b', hint: 'c' }
  const said = receipt({ error })
  const one = { ...said, signature: signReport(said, someSigner), publicKey: someSigner.publicKey }
  for (const changed of [{ code: 'b', message: 'a' }, { hint: '' }, { message: 'bc', hint: '' }]) {
    t.equal(proofOf({ ...one, error: { ...error, ...changed } }), 'wrong')
  }
})

t.test('a receipt that nobody signed says so, and half a proof is a wrong one', async (t) => {
  t.equal(proofOf(receipt()), 'unsigned')
  t.equal(proofOf(receipt({ signature: 'a'.repeat(128) })), 'wrong')
  t.equal(proofOf(receipt({ publicKey: someSigner.publicKey })), 'wrong')
  const said = receipt()
  const theirs = new Signer(Buffer.alloc(32, 9))
  t.equal(proofOf({ ...said, signature: signReport(said, theirs), publicKey: someSigner.publicKey }), 'wrong')
})

t.test('a proof survives JSON and the database, whatever the texts are', async (t) => {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  let number = 0
  await store.jobs.create(jobRecord())
  await fc.assert(
    fc.asyncProperty(anyReceipt, async (one) => {
      number += 1
      const said = { ...one, number }
      const told = JSON.parse(JSON.stringify({ ...said, signature: signReport(said, someSigner) })) as Receipt
      t.equal(proofOf(told), 'signed')
      await store.receipts.record(told)
      const kept = (await store.receipts.list(told.jobId)).find((each) => each.number === number) as Receipt
      t.equal(proofOf(kept), 'signed')
    }),
  )
})
