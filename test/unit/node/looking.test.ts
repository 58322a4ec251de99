// Goal: of what a node has on disk exactly that is told and sent which was asked for, at any offset; what changes
// meanwhile comes as one file or not at all. Method: real files, on a disk that holds more than 4 GiB as holes.
import { mkdir, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FILE_PIECE_BYTES, FILES_SENT_AT_ONCE_MAX, LOOKS_AT_ONCE_MAX } from '../../../src/base/file-limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { GIB } from '../../../src/base/units.js'
import type { FromNode, Looked, Send } from '../../../src/control/schema/channel.js'
import * as native from '../../../src/native/looking.js'
import { listReleases, readLive } from '../../../src/native/sites.js'
import { type Eyes, Looks, type LooksOptions } from '../../../src/node/looking.js'
import { NodePaths } from '../../../src/node/paths.js'
import { until } from '../../support/until.js'

const eyes: Eyes = { ...native, readLive, listReleases }
const lookId = 'a'.repeat(32)
const transferId = 'b'.repeat(32)

async function scene(t: { testdir(content: Record<string, never>): string; teardown(run: () => unknown): void }) {
  const paths = new NodePaths(t.testdir({}))
  const release = paths.release('www', 1)
  await mkdir(release, { recursive: true })
  await mkdir(paths.trees('www'))
  await writeFile(paths.tree('www', 1), 'no manifest')
  await symlink(join('releases', '1'), paths.live('www'))
  const sent: FromNode[] = []
  /** What was brought, and how that ended. */
  const brought = { bytes: [] as Buffer[], ended: false }
  /** Called with each piece, before it counts. */
  const onPiece = { run: async (): Promise<void> => {} }
  const bring: LooksOptions['bring'] = async (_id, pieces) => {
    for await (const piece of pieces) {
      brought.bytes.push(piece)
      await onPiece.run()
    }
    brought.ended = true
  }
  const make = (more: Partial<LooksOptions> = {}): Looks => {
    const send = (message: FromNode): boolean => sent.push(message) > 0
    const looks = new Looks({ paths, eyes, log: silentLogger, send, bring, ...more })
    t.teardown(() => looks.close())
    return looks
  }
  const looks = make()
  const look = async (path: string, of: number | null = null): Promise<Looked> => {
    const before = sent.length
    looks.look({ type: 'look', lookId, site: 'www', release: of, path, list: null })
    await until('an answer', () => sent.length > before)
    return sent.at(-1) as Looked
  }
  const version = async (path: string): Promise<string> => (await look(path)).found?.entry.version ?? ''
  const order = (path: string, named: string, offset: number, lengthBytes: number): Send => ({
    ...{ type: 'send', transferId, site: 'www', release: 1, path, version: named, offset, lengthBytes },
  })
  /** Sends; gives the code of what was told, or the bytes that were brought to their end. */
  const fetched = async (asked: Send): Promise<string | Buffer> => {
    const before = sent.length
    brought.bytes = []
    brought.ended = false
    looks.send(asked)
    await until('it ended', () => brought.ended || sent.length > before)
    const last = sent.at(-1)
    return sent.length > before && last?.type === 'unsent' ? last.error.code : Buffer.concat(brought.bytes)
  }
  return { paths, release, sent, onPiece, make, looks, look, version, order, fetched }
}

t.test('of a file beyond 4 GiB size and bytes are exact on both sides of the boundary', async (t) => {
  const { release, look, order, fetched } = await scene(t)
  const sizeBytes = 4 * GIB + 5_000_000_001
  const file = await open(join(release, 'huge'), 'w')
  await file.truncate(sizeBytes)
  await file.write('before|after', 4 * GIB - 7)
  await file.write('end', sizeBytes - 3)
  await file.close()
  const { found } = await look('huge')
  t.match(found?.entry, { kind: 'file', sizeBytes, digest: null })
  const named = found?.entry.version ?? ''
  const part = async (offset: number, lengthBytes: number): Promise<string> =>
    String(await fetched(order('huge', named, offset, lengthBytes)))
  t.equal(await part(4 * GIB - 7, 12), 'before|after')
  t.equal(await part(4 * GIB, 5), 'after')
  t.equal(await part(sizeBytes - 3, 3), 'end')
  t.equal(await part(sizeBytes - 3, 4), 'ENGINE_ERR_FILE_CHANGED', 'beyond the end')
  const many = await fetched(order('huge', named, 4 * GIB - 1_000_000, 2_000_000))
  t.equal(many.length, 2_000_000)
})

t.test('a file that is overwritten in place is not sent, or breaks off before its end', async (t) => {
  const { release, version, order, fetched, onPiece } = await scene(t)
  const lengthBytes = 4 * FILE_PIECE_BYTES
  const path = join(release, 'file')
  await writeFile(path, Buffer.alloc(lengthBytes, 'a'))
  await utimes(path, 1, 1)
  const named = await version('file')
  t.equal((await fetched(order('file', named, 0, lengthBytes))).length, lengthBytes)
  onPiece.run = async () => {
    onPiece.run = async () => {}
    const file = await open(path, 'r+')
    await file.write(Buffer.alloc(lengthBytes, 'b'))
    await file.close()
  }
  t.equal(await fetched(order('file', named, 0, lengthBytes)), 'ENGINE_ERR_FILE_CHANGED', 'while it is read')
  t.equal(await fetched(order('file', named, 0, lengthBytes)), 'ENGINE_ERR_FILE_CHANGED', 'before it is read')
  const next = await version('file')
  t.not(next, named)
  t.equal(String(await fetched(order('file', next, 0, 3))), 'bbb', 'as it is now')
  onPiece.run = async () => {
    onPiece.run = async () => {}
    await (await open(path, 'w')).close()
  }
  t.equal(await fetched(order('file', next, 0, lengthBytes)), 'ENGINE_ERR_FILE_CHANGED', 'cut while it is read')
})

t.test('a release that goes while it is read, and a file that is replaced, come as they were', async (t) => {
  const { paths, release, look, version, order, fetched, onPiece } = await scene(t)
  const bytes = Buffer.alloc(4 * FILE_PIECE_BYTES, 'a')
  for (const name of ['file', 'other']) await writeFile(join(release, name), bytes)
  await writeFile(join(paths.directory, 'new'), Buffer.alloc(bytes.length, 'b'))
  const named = await version('file')
  onPiece.run = async () => {
    onPiece.run = async () => {}
    await rename(join(paths.directory, 'new'), join(release, 'file'))
  }
  t.ok(bytes.equals((await fetched(order('file', named, 0, bytes.length))) as Buffer), 'all of it from before')
  t.equal(await fetched(order('file', named, 0, bytes.length)), 'ENGINE_ERR_FILE_CHANGED')
  const other = await version('other')
  onPiece.run = async () => {
    onPiece.run = async () => {}
    await rm(release, { recursive: true })
  }
  t.ok(bytes.equals((await fetched(order('other', other, 0, bytes.length))) as Buffer), 'all of it')
  t.equal(await fetched(order('other', other, 0, bytes.length)), 'ENGINE_ERR_RELEASE_UNKNOWN')
  t.match(await look('other', 1), { found: null, error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } })
})

t.test('nothing but releases of sites is looked at', async (t) => {
  const { paths, release, look, order, fetched } = await scene(t)
  await writeFile(join(paths.directory, 'secret'), 'secret')
  await symlink(join(paths.directory, 'secret'), join(release, 'link'))
  await symlink('..', join(release, 'up'))
  t.match(await look('link'), { found: { entry: { kind: 'link', version: null } } })
  for (const path of ['../../../../secret', 'up/1/link', '%2e%2e']) {
    t.match(await look(path), { found: null, error: { code: 'ENGINE_ERR_PATH_ESCAPES' } }, path)
    t.equal(await fetched(order(path, 'v', 0, 1)), 'ENGINE_ERR_PATH_ESCAPES', path)
  }
  t.equal(await fetched(order('link', 'v', 0, 1)), 'ENGINE_ERR_NOT_A_FILE')
  t.match(await look('none'), { found: null, error: { code: 'ENGINE_ERR_PATH_UNKNOWN' } })
  t.match(await look('', 2), { found: null, error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } })
})

t.test('so many at once and no more, and when it closes what is sent is let go', async (t) => {
  const { release, sent, make, version, order } = await scene(t)
  await writeFile(join(release, 'file'), 'bytes')
  const named = await version('file')
  const asked: string[] = []
  const stuck: LooksOptions['bring'] = (id, _pieces, signal) =>
    new Promise((_resolve, reject) => {
      asked.push(id)
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const looks = make({ bring: stuck })
  sent.length = 0
  for (let i = 0; i <= FILES_SENT_AT_ONCE_MAX; i++) looks.send(order('file', named, 0, 5))
  t.match(sent, [{ type: 'unsent', error: { code: 'ENGINE_ERR_OVERLOADED' } }])
  await until('all others are sent', () => asked.length === FILES_SENT_AT_ONCE_MAX)
  for (let i = 0; i <= LOOKS_AT_ONCE_MAX; i++) {
    looks.look({ type: 'look', lookId, site: 'www', release: null, path: 'file', list: null })
  }
  t.match(sent.at(-1), { type: 'looked', found: null, error: { code: 'ENGINE_ERR_OVERLOADED' } })
  await until('the others are answered', () => sent.length === LOOKS_AT_ONCE_MAX + 2)
  await looks.close()
  t.equal(sent.filter((each) => each.type === 'unsent').length, FILES_SENT_AT_ONCE_MAX + 1)
  t.match(sent.at(-1), { type: 'unsent', error: { code: 'ENGINE_ERR_CLOSING' } })
})
