// Goal: an export says whether it is what was exported, byte for byte, and where it is not.
// Method: exports of any chain, tampered with as text; the commands over a client that answers from memory.
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { exportLine, list, readExportLine, verify, type VerifyFlags } from '../../../src/cli/commands/audit.js'
import type { Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import type { JobsApi } from '../../../src/control/door/api.js'
import type { AuditRecord } from '../../../src/model/audit.js'
import { anyChain, anyEntry, auditEntry, chainOf, someSigner } from '../../support/audit.js'
import { FakeDoor } from '../../support/fake-door.js'

function terminal(json = false) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const speech = { json, quiet: false, color: false, progress: false, dumbTerminal: true }
  const door = new FakeDoor()
  const api = {
    audit: (query: { sinceSeq: number; limit: number }) => door.audit({ ...query, limit: 2 }),
    version: async () => ({ ...door.version(), publicKey: someSigner.publicKey }),
  } as unknown as JobsApi
  const interrupts = {} as Context['interrupts']
  const output = createOutput({ ...speech, stdout, stderr })
  const context: Context = { output, clock: systemClock, interrupts, connect: async () => api }
  return { context, door, said: () => String(stdout.read() ?? '') }
}

const text = (records: readonly AuditRecord[]): string => records.map((record) => `${exportLine(record)}\n`).join('')

t.test('any record is read from its line as it was', async (t) => {
  fc.assert(
    fc.property(anyEntry, (entry) => {
      const [record] = chainOf([entry]) as [AuditRecord]
      t.strictSame(readExportLine(exportLine(record)), JSON.parse(JSON.stringify(record)))
    }),
  )
})

t.test(
  'a line in which any byte was changed, added or taken out is not read as another record that holds',
  async (t) => {
    const records = chainOf([auditEntry(), auditEntry({ reason: 'x' } as never), null])
    const lines = records.map(exportLine)
    const { context } = terminal()
    const file = join(t.testdir({}), 'audit.jsonl')
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2),
        fc.nat(),
        fc.integer({ min: 32, max: 126 }),
        fc.nat(2),
        async (which, place, code, how) => {
          const line = lines[which] ?? ''
          const at = place % line.length
          const char = String.fromCharCode(code)
          const tampered = `${line.slice(0, at)}${how === 2 ? '' : char}${line.slice(how === 1 ? at : at + 1)}`
          if (tampered === line) return
          writeFileSync(file, `${lines.map((each, i) => (i === which ? tampered : each)).join('\n')}\n`)
          const error: unknown = await verify(context, { file }).catch((caught: unknown) => caught)
          t.match(error, { code: 'ENGINE_ERR_AUDIT_BROKEN', exitCode: 1 }, tampered)
        },
      ),
    )
  },
)

t.test('what is no line of an export is not read', async (t) => {
  const [record] = chainOf([auditEntry()]) as [AuditRecord]
  const line = exportLine(record)
  const wrong = ['', '{}', 'null', '[]', '1', 'x', `${line} `, line.replace('{', '{ '), line.replace('Z"', '+00:00"')]
  const extra = [
    line.replace('{', '{"extra":1,'),
    line.replace('"seq":1', '"seq":1.0'),
    line.replace('"hash"', '"hash2"'),
  ]
  for (const each of [...wrong, ...extra, '{"at":5}', '['.repeat(100_000)])
    t.equal(readExportLine(each), null, each.slice(0, 40))
  fc.assert(fc.property(fc.string(), (any) => readExportLine(any) === null))
})

t.test('ls gives all pages, one record a line with --json', async (t) => {
  const { context, door, said } = terminal(true)
  door.records.push(...chainOf([auditEntry(), auditEntry(), null, auditEntry(), auditEntry()]))
  t.equal(await list(context, {}), 0)
  t.equal(said(), text(door.records))
  await list(context, { since: '3' })
  t.equal(said(), text(door.records.slice(3)))
  await t.rejects(list(context, { since: '-1' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /--since/ })
})

t.test('ls shows who, what, about what, and why it was refused', async (t) => {
  const { context, door, said } = terminal()
  await list(context, {})
  door.records.push(...chainOf([auditEntry(), auditEntry({ outcome: 'refused', code: 'ENGINE_ERR_CONFLICT' })]))
  await list(context, {})
  t.match(
    said(),
    /SEQ +AT +ACTOR[^]*1 .*127\.0\.0\.1 +createJob +site www +done +01HF.*site=www[^]*ENGINE_ERR_CONFLICT/,
  )
})

t.test('verify walks all pages of the coordinator, and holds it to what was seen earlier', async (t) => {
  const { context, door, said } = terminal(true)
  door.records.push(...chainOf([auditEntry(), null, auditEntry(), auditEntry(), null]))
  t.equal(await verify(context, {}), 0)
  const { head } = JSON.parse(said())
  t.match(head, { seq: 5, hash: door.records[4]?.hash })
  const flags: VerifyFlags = { expect: `${head.seq}:${head.hash}` }
  t.equal(await verify(context, flags), 0)
  door.records.pop()
  await t.rejects(verify(context, flags), { code: 'ENGINE_ERR_AUDIT_BROKEN', message: /record 4: .*record 5/ })
  await t.rejects(verify(context, { key: 'a'.repeat(64) }), { code: 'ENGINE_ERR_AUDIT_BROKEN', message: /record 2/ })
  door.records.splice(2, 1)
  await t.rejects(verify(context, {}), { code: 'ENGINE_ERR_AUDIT_BROKEN', message: /coordinator.*record 4/ })
  for (const wrong of [{ expect: '5' }, { key: 'a' }] as VerifyFlags[]) {
    await t.rejects(verify(context, wrong), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  }
})

t.test('verify needs no coordinator for an export, and says whose signatures it saw', async (t) => {
  const { context, said } = terminal()
  const offline: Context = { ...context, connect: () => Promise.reject(new Error('asked')) }
  const directory = t.testdir({})
  const file = join(directory, 'audit.jsonl')
  await fc.assert(
    fc.asyncProperty(anyChain, async (records) => {
      writeFileSync(file, text(records))
      t.equal(await verify(offline, { file, key: someSigner.publicKey }), 0)
      t.match(said(), `${records.length} records hold`)
    }),
    { numRuns: 20 },
  )
  writeFileSync(file, text(chainOf([auditEntry({ subject: 'a\u2028b\u0085c\rd' }), null])))
  await verify(offline, { file })
  t.match(said(), `signed by ${someSigner.publicKey}`)
  await t.rejects(verify(offline, { file: join(directory, 'none') }), { code: 'ENGINE_ERR_IO' })
  await t.rejects(verify(offline, { file: directory }), { code: 'ENGINE_ERR_IO' })
})
