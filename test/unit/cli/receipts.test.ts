// Goal: receipts are checked where they are read, and leave as CSV that any reader of RFC 4180 takes.
// Method: the command over a client that answers from memory; a reader of CSV written for the test.
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { csvLine, receipts, type ReceiptsFlags } from '../../../src/cli/commands/receipts.js'
import type { Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import type { JobsApi } from '../../../src/control/door/api.js'
import type { Receipt } from '../../../src/model/job.js'
import { signReport } from '../../../src/model/proof.js'
import { someSigner } from '../../support/audit.js'
import { receipt } from '../../support/records.js'

const signed = (parts: Partial<Receipt> = {}): Receipt => {
  const said = receipt(parts)
  return { ...said, signature: signReport(said, someSigner), publicKey: someSigner.publicKey }
}

async function run(items: readonly Receipt[], flags: ReceiptsFlags, json = false) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const speech = { json, quiet: false, color: false, progress: false, dumbTerminal: true }
  const api = { receipts: async () => items } as unknown as JobsApi
  const context = { output: createOutput({ ...speech, stdout, stderr }), clock: systemClock } as unknown as Context
  const caught: unknown = await receipts({ ...context, connect: async () => api }, 'j', flags).catch((error) => error)
  return { caught, said: String(stdout.read() ?? ''), noted: String(stderr.read() ?? '') }
}

/** Reads what RFC 4180 describes. */
function readCsv(text: string): string[][] {
  const rows: string[][] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy
  let row: string[] = []
  for (let found = field.exec(text); found !== null; found = field.exec(text)) {
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '')
    if (found[3] === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

t.test('any fields are read back from a line of CSV as they were', async (t) => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', ' ', 'é') })
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), (fields) => {
      t.same(readCsv(`${csvLine(fields)}\r\n`), [fields])
    }),
  )
})

t.test('CSV holds a line for each receipt, with times as RFC 3339 and the signature', async (t) => {
  const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'full', hint: 'make room' }
  const failed = signed({ kind: 'failure', command: 'run-hook', number: 3, release: null, treeHash: null, error })
  const { said } = await run([signed(), failed], { csv: true })
  const [head = [], ...rows] = readCsv(said)
  t.ok(said.endsWith('\r\n'))
  const [first, second] = rows.map((row) => Object.fromEntries(row.map((value, i) => [head[i], value])))
  t.match(first, { node: 'ams-1', number: '1', command: 'publish', kind: 'completion', release: '1', bytes: '1234' })
  t.match(first, { at: '2023-11-14T22:13:20.100Z', recorded_at: '2023-11-14T22:13:20.200Z', result: 'done' })
  t.match(first, { tree_hash: 'e'.repeat(64), signature: signed().signature, public_key: someSigner.publicKey })
  t.match(second, { number: '3', release: '', tree_hash: '', result: 'failed', error_code: 'ENGINE_ERR_NO_SPACE' })
  t.match((await run([], { csv: true }, true)).caught, { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})

t.test('verify passes when every node signed what is shown, and names who did not', async (t) => {
  const good = await run([signed(), signed({ kind: 'receipt' })], { verify: true })
  t.equal(good.caught, 0)
  t.match(good.noted, /2 of 2 receipts are signed/)
  t.match(good.said, /PROOF[^]*signed/)
  const changed = { ...signed({ nodeName: 'fra-1' }), treeHash: 'f'.repeat(64) }
  const bad = await run([signed(), changed, receipt({ nodeName: 'old-1' })], { verify: true }, true)
  t.match(bad.caught, { code: 'ENGINE_ERR_RECEIPTS_UNPROVEN', exitCode: 1, message: /2 of 3.*fra-1.*old-1/ })
  t.match(JSON.parse(bad.said), { items: [{ proof: 'signed' }, { proof: 'wrong' }, { proof: 'unsigned' }] })
})

t.test('receipts that are not about a release are shown, too', async (t) => {
  const { said } = await run([receipt({ release: null, treeHash: null, command: 'run-hook' }), receipt()], {})
  t.match(said, /run-hook +completion +–[^]*publish +completion +1 .*eeeeeeeeeeee\n/)
  t.match((await run([], {})).noted, /no receipts yet/)
})
