// Goal: whatever is changed in a chain of audit records is found, and where.
// Method: chains of any records, each tampered with in one way.
import fc from 'fast-check'
import t from 'tap'
import { Signer } from '../../../src/base/signing.js'
import { AuditCheck, type AuditHead, type AuditRecord, chained, truncation } from '../../../src/model/audit.js'
import { anyChain, auditEntry, chainOf, someSigner } from '../../support/audit.js'

const check = (records: readonly AuditRecord[], expected: AuditHead | null = null) => {
  const walk = new AuditCheck({ publicKey: someSigner.publicKey, expected })
  for (const record of records) walk.take(record)
  return walk.end()
}
const headOf = (records: readonly AuditRecord[]): AuditHead => records.at(-1) as AuditRecord
const without = (records: readonly AuditRecord[], at: number) => records.filter((_, index) => index !== at)

/** Another value of the same kind. */
const other = (value: unknown): unknown => {
  if (typeof value === 'string') return /^[0-9a-f]{64}$/.test(value) ? value.replace(/./, flipped) : `${value}x`
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value + 1 : -value
  if (typeof value === 'boolean') return !value
  return value === null ? 'x' : { ...(value as object), added: 1 }
}
const flipped = (digit: string): string => (digit === '0' ? '1' : '0')

t.test('a chain that nobody touched holds, and says what it amounts to', async (t) => {
  fc.assert(
    fc.property(anyChain, (records) => {
      const { summary, broken } = check(records, headOf(records))
      const heads = records.filter(({ kind }) => kind === 'head')
      t.equal(broken, null)
      t.match(summary, { records: records.length, firstSeq: 1, signedHeads: heads.length })
      t.equal(summary.signedThroughSeq, (heads.at(-1)?.seq ?? 1) - 1)
    }),
  )
})

t.test('any field of any record that is changed is found at that record', async (t) => {
  fc.assert(
    fc.property(anyChain, fc.nat(), fc.nat(), (records, place, which) => {
      const at = place % records.length
      const record = records[at] as AuditRecord
      const field = Object.keys(record)[which % Object.keys(record).length] as keyof AuditRecord
      const changed = records.map((each, i) => (i === at ? { ...each, [field]: other(each[field]) } : each))
      const { broken } = check(changed)
      // A number tells where it stands: said wrongly, that is the record it names.
      t.equal(broken?.seq, field === 'seq' ? record.seq + 1 : record.seq, field)
    }),
  )
})

t.test('any value of a request that is changed, dropped or renamed is found', async (t) => {
  fc.assert(
    fc.property(anyChain, fc.nat(), fc.nat(), (records, place, which) => {
      const at = place % records.length
      const { request } = records[at] as AuditRecord
      const names = Object.keys(request)
      const name = names[which % names.length]
      if (name === undefined) return
      const { [name]: value, ...rest } = request
      for (const tampered of [rest, { ...rest, [name]: other(value) }, { ...rest, [`${name}x`]: value }]) {
        const changed = records.map((each, i) => (i === at ? { ...each, request: tampered as typeof request } : each))
        t.equal(check(changed).broken?.seq, at + 1)
      }
    }),
  )
})

t.test('a record that is taken out, doubled or moved is found', async (t) => {
  fc.assert(
    fc.property(anyChain, fc.nat(), fc.nat(), (records, one, two) => {
      const [a, b] = [one % records.length, two % records.length]
      if (a < records.length - 1) t.ok(check(without(records, a)).broken, 'taken out')
      t.ok(check([...records.slice(0, a + 1), ...records.slice(a)]).broken, 'doubled')
      if (a === b) return
      const moved = without(records, a)
      moved.splice(b, 0, records[a] as AuditRecord)
      t.ok(check(moved).broken, 'moved')
    }),
  )
})

t.test('records that are cut off at the end are found by who remembers a newer one', async (t) => {
  fc.assert(
    fc.property(anyChain, fc.nat(), (records, place) => {
      const left = place % records.length
      t.match(check(records.slice(0, left), headOf(records)).broken, { why: /is not in it/ })
      const all = headOf(records)
      t.match(check(records, { ...all, hash: 'f'.repeat(64) }).broken, { seq: all.seq, why: /earlier/ })
    }),
  )
})

t.test('a chain that was written anew is found by its signatures', async (t) => {
  const rewritten = chainOf([auditEntry({ actor: '10.0.0.9' }), null], new Signer(Buffer.alloc(32, 8)))
  t.match(check(rewritten).broken, { seq: 2, why: /signed by/ })
  const [first, head] = chainOf([auditEntry(), null]) as [AuditRecord, AuditRecord]
  const forged = { ...head.request, signature: someSigner.sign('another purpose', JSON.stringify([1, first.hash])) }
  t.match(check([first, chained({ ...head, request: forged }, first)]).broken, { seq: 2, why: /signature is wrong/ })
  const early = { ...head.request, headSeq: 0, headHash: '0'.repeat(64) }
  t.match(check([first, chained({ ...head, request: early }, first)]).broken, { why: /another record/ })
  t.match(check([first, chained({ ...head, request: { headSeq: 1, headHash: first.hash } }, first)]).broken, {
    why: /no signature/,
  })
})

t.test('without a key all signatures must be of one, and it is told', async (t) => {
  const walk = new AuditCheck({ publicKey: null })
  for (const record of chainOf([auditEntry(), null])) walk.take(record)
  t.equal(walk.end().summary.publicKey, someSigner.publicKey)
})

t.test('a chain may begin late only when it says what was dropped', async (t) => {
  const records = chainOf([auditEntry(), null, auditEntry({ result: 'b' })])
  t.match(check(records.slice(1)).broken, { seq: 2, why: /missing/ })
  const [, second] = records as [AuditRecord, AuditRecord]
  const honest = [...records, chained(truncation({ seq: 2, hash: second.hash }, 1), headOf(records))]
  t.equal(check(honest.slice(2)).broken, null)
  t.match(check(honest.slice(1)).summary, { firstSeq: 2 })
  t.match(check(honest.slice(3)).broken, { why: /missing/ }, 'more was dropped than it says')
})
