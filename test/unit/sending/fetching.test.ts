// Goal: a file of a node comes whole, as it was published, or not at all, under whatever name, however often its line
// breaks; and what is here is not fetched again. Method: a node in memory, a real directory.
import { lstat, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { STREAM_OUTAGE_MS_MAX } from '../../../src/base/limits.js'
import { systemClock } from '../../../src/base/clock.js'
import type { FileRead } from '../../../src/control/files-client.js'
import type { FilesApi } from '../../../src/control/door/files.js'
import type { FileEntry, FileView } from '../../../src/model/file.js'
import { blake3 } from '../../../src/native/keys.js'
import { Fetching } from '../../../src/sending/fetching.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const entryOf = (name: string, content: string, values: Partial<FileEntry> = {}): FileEntry => ({
  ...{ name, kind: 'file', mode: '640', sizeBytes: content.length, mtimeNs: '1700000000000000000', target: null },
  ...{ digest: blake3(Buffer.from(content)), version: '1-2-3', ...values },
})
const viewOf = (entry: FileEntry): FileView => ({
  ...{ node: 'n1', site: 'www', release: 1, entry, entries: null, next: null },
})
const bodyOf = (text: string, breaks: boolean): ReadableStream<Uint8Array> => {
  let isSent = false
  return new ReadableStream({
    pull(stream) {
      if (!isSent) stream.enqueue(Buffer.from(text))
      else if (breaks) stream.error(new Error('cut'))
      else stream.close()
      isSent = true
    },
  })
}

interface Given {
  readonly read?: (read: FileRead) => Promise<ReadableStream<Uint8Array> | null>
  readonly clock?: ManualClock
  readonly entries?: readonly FileEntry[]
}

/** Fetches from a node that has these entries, all of one content. */
function fetcher(content: string, { read, clock, entries = [] }: Given = {}): Fetching {
  const files = {
    stat: async ({ path = '' }) => {
      const found = entries.find(({ name }) => name === path.split('/').at(-1))
      return viewOf(found ?? entryOf('', '', { kind: 'dir', mode: '755', digest: null, version: null }))
    },
    list: async function* () {
      yield* entries
    },
  } as Partial<FilesApi> as FilesApi
  return new Fetching({
    files,
    read: read ?? (async ({ offset }) => bodyOf(content.slice(offset), false)),
    clock: clock ?? systemClock,
    signal: new AbortController().signal,
  })
}

t.test('a file that took long before its line broke is gone on with', async (t) => {
  const place = t.testdir({})
  const clock = new ManualClock()
  const offsets: number[] = []
  const fetching = fetcher('content', {
    clock,
    read: async ({ offset }) => {
      offsets.push(offset)
      clock.advance(2 * STREAM_OUTAGE_MS_MAX)
      return bodyOf('content'.slice(offset, offset + 3), offset < 6)
    },
  })
  let isOver = false
  const done = fetching.file(viewOf(entryOf('a', 'content')), 'a', Buffer.from(join(place, 'a')))
  const over = done.finally(() => (isOver = true))
  over.catch(() => {})
  await until('it is here', () => {
    clock.advance(60_000)
    return isOver
  })
  await over
  t.strictSame(offsets, [0, 3, 6])
  t.equal(await readFile(join(place, 'a'), 'utf8'), 'content')
})

t.test('what is here is not fetched again, whatever the digits of its time', async (t) => {
  const place = t.testdir({})
  for (const mtimeNs of ['1700000000123000000', '1700000000999999999', '-1500000000', '1', '1712345678901234567']) {
    const entry = entryOf('a', 'content', { mtimeNs })
    const fetching = fetcher('content')
    const local = Buffer.from(join(place, mtimeNs))
    for (const _ of ['first', 'again']) await fetching.file(viewOf(entry), 'a', local)
    t.match(fetching.outcome, { files: 1, present: 1 }, mtimeNs)
  }
})

t.test('a name of any length and any bytes comes, and is checked like any other', async (t) => {
  const place = t.testdir({})
  const longest = 'ä'.repeat(127) + 'b'
  for (const name of [Buffer.from(longest), Buffer.from([0x61, 0xff, 0x62])]) {
    const local = Buffer.concat([Buffer.from(`${place}/`), name])
    const entry = entryOf('a', 'content')
    await fetcher('content').file(viewOf(entry), 'a', local)
    t.equal(await readFile(local, 'utf8'), 'content')
    t.equal((await stat(local)).mode & 0o777, 0o640)
    const fetching = fetcher('other!!')
    await writeFile(local, 'old')
    await t.rejects(fetching.file(viewOf(entry), 'a', local), { code: 'ENGINE_ERR_FILE_DAMAGED' })
    t.equal(await readFile(local, 'utf8'), 'old', 'what is not what was published takes no place')
    t.equal(fetching.outcome.files, 0)
  }
  const names = await readdir(place)
  t.equal(names.filter((name) => name.endsWith('.damaged')).length, 2)
  t.equal(names.filter((name) => name.endsWith('.part')).length, 0)
})

t.test('a tree comes with its links; what is no directory is none', async (t) => {
  const place = t.testdir({})
  const entries = [
    entryOf('a', 'content'),
    entryOf('to', '', { kind: 'link', target: '../a%20b', digest: null, version: null }),
    entryOf('pipe', '', { kind: 'fifo', digest: null, version: null }),
  ]
  const fetching = fetcher('content', { entries })
  await fetching.tree({ node: 'n1', site: 'www', release: 1, path: '' }, Buffer.from(join(place, 'tree')))
  t.match(fetching.outcome, { files: 1, skipped: ['pipe'] })
  t.ok((await lstat(join(place, 'tree/to'))).isSymbolicLink())
  const file = fetcher('content', { entries }).tree(
    { node: 'n1', site: 'www', release: 1, path: 'a' },
    Buffer.from(join(place, 'no')),
  )
  await t.rejects(file, { code: 'ENGINE_ERR_NOT_A_DIRECTORY' })
  const escaping = fetcher('content', { entries: [entryOf('..%2Fout', 'content')] })
  const hostile = escaping.tree({ node: 'n1', site: 'www', release: 1, path: '' }, Buffer.from(join(place, 'x')))
  await t.rejects(hostile, { code: 'ENGINE_ERR_PATH_ESCAPES' }, 'a coordinator’s word on names is not taken')
})

t.test('a file that changed is not put together of two', async (t) => {
  const place = t.testdir({})
  const changed = new EngineError('ENGINE_ERR_FILE_CHANGED', { path: 'a' })
  const offsets: number[] = []
  const fetching = fetcher('content', {
    read: async ({ offset }) => {
      offsets.push(offset)
      if (offset > 0) throw changed
      return bodyOf('con', true)
    },
  })
  const done = fetching.file(viewOf(entryOf('a', 'content')), 'a', Buffer.from(join(place, 'a')))
  await t.rejects(done, { code: 'ENGINE_ERR_FILE_CHANGED' })
  t.same(offsets, [0, 3], 'it is not asked for again')
  t.notOk((await readdir(place)).includes('a'))
})
