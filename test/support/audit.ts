// Chains of audit records as a coordinator makes them, for tests that tamper with them.
import fc from 'fast-check'
import { Signer } from '../../src/base/signing.js'
import { type AuditEntry, type AuditRecord, auditStart, chained, signedHead } from '../../src/model/audit.js'

export const someSigner = new Signer(Buffer.alloc(32, 7))

export function auditEntry(parts: Partial<AuditEntry> = {}): AuditEntry {
  return {
    kind: 'call',
    atMs: 1_700_000_000_000,
    actor: '127.0.0.1',
    action: 'createJob',
    subject: 'site www',
    request: { type: 'publish', site: 'www', 'policy.quorum': 0.5, 'policy.stageOnly': false },
    outcome: 'done',
    code: null,
    result: '01HF0000000000000000000001',
    ...parts,
  }
}

/** The records of these entries; `null` signs the chain so far. */
export function chainOf(entries: readonly (AuditEntry | null)[], signer: Signer = someSigner): AuditRecord[] {
  const records: AuditRecord[] = []
  for (const entry of entries) {
    const head = records.at(-1) ?? auditStart
    records.push(chained(entry ?? signedHead({ seq: head.seq, hash: head.hash }, signer, 1_700_000_000_001), head))
  }
  return records
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 })

/** Any call that a coordinator may record. */
export const anyEntry: fc.Arbitrary<AuditEntry> = fc.record({
  kind: fc.constant('call' as const),
  atMs: fc.integer({ min: 0, max: 8_640_000_000_000 }),
  actor: text,
  action: fc.constantFrom('createJob', 'commitJob', 'abortJob'),
  subject: text,
  request: fc.dictionary(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((name) => name !== '__proto__'),
    fc.oneof(text, fc.boolean(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 })),
    { maxKeys: 6, noNullPrototype: true },
  ),
  outcome: fc.constantFrom('done' as const, 'refused' as const, 'unknown' as const),
  code: fc.option(fc.constantFrom('ENGINE_ERR_CONFLICT', 'ENGINE_ERR_JOB_STATE')),
  result: fc.option(text),
})

/** Any chain that begins with its first record; some of it signed. */
export const anyChain: fc.Arbitrary<AuditRecord[]> = fc
  .array(fc.oneof({ weight: 4, arbitrary: anyEntry }, { weight: 1, arbitrary: fc.constant(null) }), {
    minLength: 2,
    maxLength: 8,
  })
  // The first record of a chain is never a signature: there is nothing to sign.
  .map(([first, ...rest]) => chainOf([first ?? auditEntry(), ...rest]))
