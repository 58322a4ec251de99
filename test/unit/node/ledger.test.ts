// The ledger: what was recorded is there after a reopening; damage is kept aside and said; a journal of
// another version is not touched; it stays short.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { DAMAGED_JOURNALS_KEPT, JOURNAL_COMPACT_BYTES } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { encodeRecord, readJournal } from '../../../src/node/journal.js'
import { Ledger } from '../../../src/node/ledger.js'
import { holdingsOf, type JournalRecord } from '../../../src/node/state.js'
import { ManualClock } from '../../support/manual-clock.js'

const openAt = (path: string): Promise<Ledger> => Ledger.open({ path, log: silentLogger, clock: new ManualClock() })
const staged = (release: number): JournalRecord => ({ type: 'staged', site: 'www', release, treeHash: 'a'.repeat(64) })

t.test('what was recorded is there again', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = await openAt(path)
  await first.record(staged(1), staged(2))
  await first.record()
  await first.record({ type: 'live', site: 'www', release: 1, treeHash: 'a'.repeat(64) })
  const holdings = holdingsOf(first.state)
  await first.close()
  const second = await openAt(path)
  t.strictSame(holdingsOf(second.state), holdings)
  t.notOk(second.isDamaged)
  await second.close()
})

t.test('records of calls made together count in their order', async (t) => {
  const path = join(t.testdir(), 'journal')
  const ledger = await openAt(path)
  const work = []
  for (let release = 1; release <= 50; release++) {
    work.push(ledger.record(staged(release)), ledger.record({ type: 'dropped', site: 'www', release }))
  }
  await Promise.all(work)
  t.strictSame(holdingsOf(ledger.state), [])
  await ledger.close()
})

t.test('a damaged journal is kept aside; what is whole on both sides of the damage counts', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'journal')
  const parts = [staged(1), staged(2), staged(3)].map((record) => encodeRecord(JSON.stringify(record)))
  const bytes = Buffer.concat(parts)
  const middle = (parts[0]?.length ?? 0) + 20
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x40
  await writeFile(path, bytes)
  const ledger = await openAt(path)
  t.ok(ledger.isDamaged)
  t.strictSame([...(ledger.state.sites.get('www')?.held.keys() ?? [])], [1, 3])
  await ledger.close()
  const copy = (await readdir(directory)).find((name) => name.startsWith('journal.damaged-'))
  t.same(await readFile(join(directory, copy ?? '')), bytes, 'the damaged one is kept as it was')
  const again = await openAt(path)
  t.notOk(again.isDamaged, 'it was written anew')
  await again.close()
})

t.test('of damaged journals the newest copies are kept, and nothing else is removed', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'journal')
  const copies = [9, 10, 100, 1000].map((time) => `journal.damaged-${time}`)
  for (const name of [...copies, 'journal.damaged-by-me']) await writeFile(join(directory, name), name)
  await writeFile(path, encodeRecord(JSON.stringify(staged(1))).subarray(0, 40))
  await (await openAt(path)).close()
  const left = (await readdir(directory)).filter((name) => name.startsWith('journal.damaged-'))
  t.equal(left.length, DAMAGED_JOURNALS_KEPT + 1)
  for (const name of ['journal.damaged-by-me', 'journal.damaged-1000', 'journal.damaged-100']) t.ok(left.includes(name))
})

t.test('a journal without one whole record is kept aside too', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'journal')
  const bytes = encodeRecord(JSON.stringify(staged(1))).subarray(0, 40)
  await writeFile(path, bytes)
  const ledger = await openAt(path)
  t.ok(ledger.isDamaged)
  await ledger.close()
  const copy = (await readdir(directory)).find((name) => name.startsWith('journal.damaged-'))
  t.same(await readFile(join(directory, copy ?? '')), bytes, 'it is kept as it was')
  const again = await openAt(path)
  t.notOk(again.isDamaged, 'it was written anew')
  await again.close()
})

t.test('a record that makes no sense is damage too, and the others count', async (t) => {
  const path = join(t.testdir(), 'journal')
  const strange = ['{"type":"future","x":1}', JSON.stringify({ ...staged(1), site: '../x' }), JSON.stringify(staged(2))]
  await writeFile(path, Buffer.concat(strange.map(encodeRecord)))
  const ledger = await openAt(path)
  t.ok(ledger.isDamaged)
  t.strictSame([...(ledger.state.sites.get('www')?.held.keys() ?? [])], [2])
  await ledger.close()
})

t.test('a journal of another version is refused and left as it is', async (t) => {
  const path = join(t.testdir(), 'journal')
  const bytes = encodeRecord('{"type":"opened","version":2}')
  await writeFile(path, bytes)
  await t.rejects(openAt(path), { code: 'ENGINE_ERR_VERSION_MISMATCH' })
  t.same(await readFile(path), bytes)
})

t.test('a journal that has grown is compacted while it is used, and says the same', async (t) => {
  const path = join(t.testdir(), 'journal')
  const ledger = await openAt(path)
  const record = JSON.stringify(staged(1)).length
  const times = Math.ceil((1.5 * JOURNAL_COMPACT_BYTES) / (record * 100))
  for (let count = 0; count < times; count++) {
    await ledger.record(...Array.from({ length: 100 }, (_, index) => staged((index % 3) + 1)))
  }
  const holdings = holdingsOf(ledger.state)
  await ledger.close()
  const size = (await readFile(path)).length
  t.ok(size < JOURNAL_COMPACT_BYTES, `${size} bytes`)
  const again = await openAt(path)
  t.strictSame(holdingsOf(again.state), holdings)
  await again.close()
  t.equal(readJournal(await readFile(path)).records.length, 4, 'three releases and the version')
})
