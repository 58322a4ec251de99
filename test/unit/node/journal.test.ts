// The journal at every byte: cut off at each offset it gives the whole records before; with any byte
// flipped nothing false is read and what follows is set apart; what was acknowledged is there again.
import { deepStrictEqual, ok } from 'node:assert'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import * as directories from '../../../src/base/directories.js'
import { JOURNAL_RECORD_BYTES_MAX } from '../../../src/base/limits.js'
import { encodeRecord, Journal, readJournal } from '../../../src/node/journal.js'

const texts = ['{"a":1}', '{}', `{"name":"${'é'.repeat(40)}"}`, '{"list":[1,2,{"deep":true}]}', '{"last":"x"}']
const whole = Buffer.concat(texts.map(encodeRecord))
const ends = texts.map((_, index) => Buffer.concat(texts.slice(0, index + 1).map(encodeRecord)).length)

t.test('cut at every byte, the whole records before the cut are read and no other', async (t) => {
  for (let length = 0; length <= whole.length; length++) {
    const read = readJournal(whole.subarray(0, length))
    const count = ends.filter((end) => end <= length).length
    const expected = { records: texts.slice(0, count), doubtful: [], damagedAt: null, endBytes: ends[count - 1] ?? 0 }
    t.strictSame(read, expected, `cut at ${length}`)
  }
})

t.test('with any bit of any byte flipped, no record is read that was not written', async (t) => {
  for (let at = 0; at < whole.length; at++) {
    for (const bit of [0, 3, 7]) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      const { records, doubtful, damagedAt } = readJournal(bytes)
      const hit = ends.findIndex((end) => at < end)
      const said = `byte ${at}, bit ${bit}`
      t.strictSame(records, texts.slice(0, hit), said)
      t.strictSame(doubtful, texts.slice(hit + 1), said)
      t.equal(damagedAt, hit === texts.length - 1 ? null : (ends[hit - 1] ?? 0), said)
    }
  }
})

t.test('any bytes are read without a throw, and what is read was checked', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...texts))), (parts) => {
      const written = parts.map((part) => (typeof part === 'string' ? encodeRecord(part) : Buffer.from(part)))
      const { records, doubtful, endBytes } = readJournal(Buffer.concat(written))
      const wrote = parts.filter((part) => typeof part === 'string')
      deepStrictEqual([...records, ...doubtful], wrote)
      ok(endBytes <= Buffer.concat(written).length)
    }),
    { numRuns: 200 },
  )
})

t.test('zeros at the end, as some file systems leave them, are a torn write', async (t) => {
  const read = readJournal(Buffer.concat([whole, Buffer.alloc(5000)]))
  t.match(read, { records: texts, damagedAt: null, endBytes: whole.length })
})

t.test('what was appended is there after a reopening, a torn tail is not', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = await Journal.open(path)
  t.strictSame(first.contents.records, [])
  await Promise.all([first.journal.append(texts.slice(0, 2)), first.journal.append(texts.slice(2, 3))])
  t.equal(first.journal.sizeBytes, ends[2])
  await first.journal.close()
  await appendFile(path, encodeRecord('{"torn":true}').subarray(0, 15))
  const second = await Journal.open(path)
  t.strictSame(second.contents.records, texts.slice(0, 3))
  t.equal((await readFile(path)).length, ends[2], 'the tail is cut off')
  await second.journal.append(texts.slice(3))
  await second.journal.close()
  t.strictSame(readJournal(await readFile(path)).records, texts)
})

t.test('a rewriting in the midst of appends loses none and keeps their order', async (t) => {
  const path = join(t.testdir(), 'journal')
  const { journal } = await Journal.open(path)
  const kept: string[] = []
  const work: Promise<void>[] = []
  const append = (count: number): Promise<void> => {
    const text = `{"n":${count}}`
    return journal.append([text], () => kept.push(text))
  }
  for (let count = 0; count < 200; count++) {
    work.push(append(count))
    if (count % 25 === 10) work.push(journal.rewrite(() => [...kept]))
    if (count % 40 === 0) await work.at(-1)
  }
  await Promise.all(work)
  await journal.close()
  const { records } = readJournal(await readFile(path))
  const all = Array.from({ length: 200 }, (_, index) => `{"n":${index}}`)
  t.strictSame(records, all)
  t.strictSame(kept, all)
})

t.test('a rewriting that fails leaves the old records', async (t) => {
  const directory = t.testdir({ 'journal.new': {} })
  const path = join(directory, 'journal')
  const { journal } = await Journal.open(path)
  await journal.append(texts)
  await t.rejects(
    journal.rewrite(() => ['{"x":1}']),
    { code: 'ENGINE_ERR_IO' },
  )
  await journal.append(['{"after":1}'])
  await journal.close()
  t.strictSame(readJournal(await readFile(path)).records, [...texts, '{"after":1}'])
})

t.test('a rewriting whose new name cannot be made durable: the new file is used, and written anew first', async (t) => {
  let refusals = 0
  const syncDirectory = async (path: string): Promise<void> => {
    refusals -= 1
    if (refusals >= 0) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
    await directories.syncDirectory(path)
  }
  const mocked = await t.mockImport<{ Journal: typeof Journal }>('../../../src/node/journal.js', {
    '../../../src/base/directories.ts': { ...directories, syncDirectory },
  })
  const path = join(t.testdir(), 'journal')
  const { journal } = await mocked.Journal.open(path)
  await journal.append(texts)
  refusals = 1
  await t.rejects(
    journal.rewrite(() => ['{"new":1}']),
    { code: 'ENGINE_ERR_IO' },
  )
  t.ok(journal.isSuspect)
  t.equal(journal.sizeBytes, encodeRecord('{"new":1}').length)
  await t.rejects(journal.append(['{"lost":1}']), { code: 'ENGINE_ERR_IO' }, 'nothing counts as durable')
  await journal.rewrite(() => ['{"new":1}'])
  t.notOk(journal.isSuspect)
  await journal.append(['{"after":1}'])
  await journal.close()
  t.strictSame(readJournal(await readFile(path)).records, ['{"new":1}', '{"after":1}'])
})

t.test('a leftover of a rewriting that a crash cut off is not read', async (t) => {
  const path = join(t.testdir({ 'journal.new': 'half' }), 'journal')
  await writeFile(path, whole)
  const { journal, contents } = await Journal.open(path)
  t.strictSame(contents.records, texts)
  await journal.rewrite(() => ['{"x":1}'])
  await journal.close()
  t.strictSame(readJournal(await readFile(path)).records, ['{"x":1}'])
})

t.test('damage in the middle is left where it is', async (t) => {
  const path = join(t.testdir(), 'journal')
  const bytes = Buffer.from(whole)
  bytes[20] = (bytes[20] ?? 0) ^ 1
  await writeFile(path, bytes)
  const { journal, contents } = await Journal.open(path)
  await journal.close()
  t.equal(contents.damagedAt, ends[0])
  t.same(await readFile(path), bytes, 'nothing was deleted')
})

t.test('bytes without one whole record are damage, and stay until something is appended', async (t) => {
  const path = join(t.testdir(), 'journal')
  for (const bytes of [whole.subarray(0, 15), Buffer.alloc(5000), Buffer.from('not a journal')]) {
    await writeFile(path, bytes)
    const first = await Journal.open(path)
    t.match(first.contents, { records: [], doubtful: [], damagedAt: 0, endBytes: 0 })
    await first.journal.close()
    t.same(await readFile(path), bytes, 'nothing was cut off')
    const second = await Journal.open(path)
    await second.journal.append(texts)
    await second.journal.close()
    t.same(await readFile(path), whole, 'nothing stands behind what was appended')
  }
})

t.test('what is too large, closed, or not writable says so', async (t) => {
  const directory = t.testdir({ sub: {} })
  const { journal } = await Journal.open(join(directory, 'journal'))
  t.throws(() => encodeRecord(`{"x":"${'y'.repeat(JOURNAL_RECORD_BYTES_MAX)}"}`), { code: 'ENGINE_ERR_INTERNAL' })
  await journal.close()
  await journal.close()
  await t.rejects(journal.append(['{}']), { code: 'ENGINE_ERR_NATIVE_CLOSED' })
  await t.rejects(Journal.open(join(directory, 'none', 'journal')), { code: 'ENGINE_ERR_IO' })
  await t.rejects(Journal.open(join(directory, 'sub')), { code: 'ENGINE_ERR_IO' })
})
