// Goal: what was sent is here whole, under its digest, and goes on after any cut; what is not wanted, or not what it
// says, leaves nothing. Method: the room on a real directory, opened again as a new life of the process would.
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import {
  UPLOAD_LOOKS_A_TURN,
  UPLOAD_NOTE_MS,
  UPLOAD_REQUESTS_MAX,
  UPLOAD_SWEEP_MS,
  UPLOAD_STALLED_MS,
  UPLOAD_WINDOW_MS,
} from '../../../src/base/upload-limits.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { UploadPaths } from '../../../src/uploads/paths.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'
import { digestOf, fileLine, manifestOf, openRoom } from '../../support/uploads.js'

const body = (...pieces: readonly string[]): Readable => Readable.from(pieces.map((piece) => Buffer.from(piece)))
const files = { 'a.txt': 'alpha', 'b.txt': 'beta beta', 'again.txt': 'alpha', 'empty.txt': '' }
const [alpha, beta] = [digestOf('alpha'), digestOf('beta beta')]

t.test('a manifest is answered with what is missing: each content once, nothing for empty files', async (t) => {
  const room = await openRoom(t.testdir({}))
  const upload = await room.create('www', body(manifestOf(files)))
  t.match(upload, { site: 'www', state: 'open', fileCount: 4, totalBytes: 19, missingCount: 2, missingBytes: 14 })
  const page = await room.missing(upload.id, null, 10)
  t.strictSame(
    page.items.map(({ digest, sizeBytes, haveBytes }) => [digest, sizeBytes, haveBytes]),
    [[alpha, 5, 0] as const, [beta, 9, 0] as const].toSorted(([one], [other]) => (one < other ? -1 : 1)),
  )
  const first = await room.missing(upload.id, null, 1)
  const second = await room.missing(upload.id, first.next, 1)
  t.strictSame([...first.items, ...second.items], page.items, 'pages add up')
  t.equal(second.next, null)
})

t.test('the same tree for the same site is the same upload, in whatever order it is written', async (t) => {
  const room = await openRoom(t.testdir({}))
  const one = await room.create('www', body(manifestOf(files)))
  const lines = manifestOf(files).split('\n').toReversed().join('\n')
  t.equal((await room.create('www', body(lines.slice(0, 40), lines.slice(40)))).id, one.id)
  t.not((await room.create('docs', body(lines))).id, one.id)
  t.equal(room.list().length, 2)
})

t.test('a content that was cut goes on where it stands, also in the next life', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  const { id } = await room.create('www', body(manifestOf(files)))
  t.match(await room.putBlob(id, beta, { offset: 0, body: body('beta') }), { haveBytes: 4 })
  await t.rejects(room.putBlob(id, beta, { offset: 5, body: body('beta') }), { code: 'ENGINE_ERR_UPLOAD_RANGE' })
  await room.close()
  const next = await openRoom(directory)
  t.match(await next.blob(id, beta), { haveBytes: 4, sizeBytes: 9 })
  t.match(await next.putBlob(id, beta, { offset: 4, body: body(' be', 'ta') }), { haveBytes: 9 })
  t.match(await next.putBlob(id, alpha, { offset: 0, body: body('alpha') }), { haveBytes: 5 })
  t.match(await next.get(id), { missingCount: 0, missingBytes: 0, state: 'open' })
  t.match(await next.complete(id), { state: 'complete' })
  await next.close()
  const last = await (await openRoom(directory)).get(id)
  t.match(last, { state: 'complete', missingCount: 0 })
  t.ok(Number.isInteger(last.expiresAtMs), 'whole milliseconds, as the API has them')
})

t.test('what was sent wrongly is refused and dropped, and may be sent again', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  const { id } = await room.create('www', body(manifestOf(files)))
  const put = (text: string, offset = 0) => room.putBlob(id, beta, { offset, body: body(text) })
  await t.rejects(put('beta bete'), { code: 'ENGINE_ERR_DIGEST_MISMATCH' })
  t.match(await room.blob(id, beta), { haveBytes: 0 })
  t.strictSame(readdirSync(join(directory, 'www/parts')), [])
  await t.rejects(put('beta beta and more'), { code: 'ENGINE_ERR_BODY_TOO_LARGE' })
  await t.rejects(put('', 9), { code: 'ENGINE_ERR_UPLOAD_RANGE' })
  await t.rejects(room.putBlob(id, digestOf('other'), { offset: 0, body: body('other') }), {
    code: 'ENGINE_ERR_BLOB_UNWANTED',
  })
  await t.rejects(room.complete(id), { code: 'ENGINE_ERR_UPLOAD_INCOMPLETE', details: { missingCount: 2 } })
  t.match(await put('beta beta'), { haveBytes: 9 })
  t.equal(readFileSync(join(directory, 'www/blobs', beta), 'utf8'), 'beta beta')
  t.match(await put('whatever: it is here'), { haveBytes: 9 }, 'nothing is read for what is here')
})

t.test('a bad manifest opens nothing and leaves nothing', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  for (const text of [fileLine('../x', 'x'), fileLine('a', 'x').replace('file', 'fifo'), '{', fileLine('a/b', 'x')]) {
    await t.rejects(room.create('www', body(text)), { code: 'ENGINE_ERR_MANIFEST_INVALID', details: { line: '1' } })
  }
  t.strictSame(room.list(), [])
  for (const folder of ['open', 'incoming']) t.strictSame(readdirSync(join(directory, 'www', folder)), [])
})

t.test('of two requests for one content the later goes before, and both bytes make one content', async (t) => {
  const room = await openRoom(t.testdir({}))
  const { id } = await room.create('www', body(manifestOf(files)))
  const hanging = new PassThrough()
  const first = room.putBlob(id, beta, { offset: 0, body: hanging })
  hanging.write('beta')
  await until('the first four bytes', async () => (await room.blob(id, beta)).haveBytes === 4)
  const second = room.putBlob(id, beta, { offset: 4, body: body(' beta') })
  await t.rejects(first, { code: 'ENGINE_ERR_UPLOAD_TAKEN' })
  t.match(await second, { haveBytes: 9 })
})

t.test('a content that was whole when the process was killed is finished by its last byte', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  const { id } = await room.create('www', body(manifestOf(files)))
  await room.close()
  writeFileSync(join(directory, 'www/parts', `${id}-${beta}`), 'beta beta')
  const next = await openRoom(directory)
  t.match(await next.blob(id, beta), { haveBytes: 8 })
  t.match(await next.putBlob(id, beta, { offset: 8, body: body('a') }), { haveBytes: 9 })
  t.match(await next.get(id), { missingCount: 1 })
})

t.test('a body that stands still is cut and what came is kept; others go on meanwhile', async (t) => {
  const clock = new ManualClock()
  const room = await openRoom(t.testdir({}), { clock })
  const { id } = await room.create('www', body(manifestOf(files)))
  const hanging = new PassThrough()
  const slow = room.putBlob(id, beta, { offset: 0, body: hanging })
  hanging.write('be')
  await until('two bytes', async () => (await room.blob(id, beta)).haveBytes === 2)
  t.match(await room.putBlob(id, alpha, { offset: 0, body: body('alpha') }), { haveBytes: 5 })
  clock.advance(UPLOAD_WINDOW_MS)
  await t.rejects(slow, { code: 'ENGINE_ERR_UPLOAD_SLOW' })
  t.match(await room.blob(id, beta), { haveBytes: 2 })
})

t.test('an upload has so many requests at once, and no more', async (t) => {
  const room = await openRoom(t.testdir({}))
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`f${i}`, `content ${i}`]))
  const { id } = await room.create('www', body(manifestOf(many)))
  const open = Object.values(many).map((content) => {
    const hanging = new PassThrough()
    hanging.write('c')
    return { hanging, done: room.putBlob(id, digestOf(content), { offset: 0, body: hanging }) }
  })
  const outcomes = Promise.allSettled(open.map(({ done }) => done))
  await t.rejects(async () => open.at(-1)?.done, { code: 'ENGINE_ERR_OVERLOADED' })
  for (const { hanging } of open) hanging.destroy()
  t.equal((await outcomes).filter(({ status }) => status === 'rejected').length, 17)
})

t.test('the bytes of all uploads are bounded before the first comes, and the disk keeps what it must', async (t) => {
  const limits = { maxBytes: 20, keepMs: 60_000, freeBytes: 0 }
  const room = await openRoom(t.testdir({}), { limits })
  await room.create('www', body(manifestOf(files)))
  await t.rejects(room.create('www', body(fileLine('c', 'seven77'))), {
    code: 'ENGINE_ERR_UPLOAD_LIMIT',
    details: { needBytes: 7, haveBytes: 6 },
  })
  await t.rejects(room.putContent('www', body('seven77')), { code: 'ENGINE_ERR_BODY_TOO_LARGE' })
  t.match(await room.create('www', body(fileLine('c', 'six666'))), { missingBytes: 6 })
  const full = await openRoom(t.testdir({}), { limits: { ...limits, freeBytes: Number.MAX_SAFE_INTEGER } })
  await t.rejects(full.create('www', body(manifestOf(files))), {
    code: 'ENGINE_ERR_NO_SPACE',
    details: { haveBytes: 0 },
  })
})

t.test('contents of unknown length that come at once have the room of one', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory, { limits: { maxBytes: 20, keepMs: 60_000, freeBytes: 0 } })
  await room.putContent('www', body(''))
  const [one, other] = [new PassThrough(), new PassThrough()]
  const [first, second] = [room.putContent('www', one), room.putContent('www', other)]
  const incoming = join(directory, 'www/incoming')
  const sizes = () => readdirSync(incoming).map((name) => statSync(join(incoming, name)).size)
  await until('both have begun', () => sizes().length === 2)
  for (const each of [one, other]) each.write('x'.repeat(12))
  await until('both have come', () => sizes().every((size) => size === 12))
  one.end()
  await t.rejects(first, { code: 'ENGINE_ERR_UPLOAD_LIMIT', details: { needBytes: 24, haveBytes: 20 } })
  other.end('y')
  t.match(await second, { sizeBytes: 13 })
  await t.rejects(room.putContent('www', body('eight888')), { code: 'ENGINE_ERR_BODY_TOO_LARGE' })
  t.match(await room.putContent('www', body('seven77')), { sizeBytes: 7 }, 'what was refused takes no room')
})

t.test('a content of unknown length gets its name at its end, and serves the manifest that names it', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  t.match(await room.putContent('www', body('al', 'pha')), { digest: alpha, sizeBytes: 5 })
  const refused = room.putContent('www', body('no'), () => {
    throw new Error('not this')
  })
  await t.rejects(refused, /not this/)
  t.strictSame(readdirSync(join(directory, 'www/incoming')), [])
  t.match(await room.create('www', body(manifestOf(files))), { missingCount: 1 })
})

t.test('a dropped upload takes with it what no other wants', async (t) => {
  const directory = t.testdir({})
  let used = ''
  const room = await openRoom(directory, { jobsOf: (path) => (path === used ? ['J1'] : []) })
  const { id } = await room.create('www', body(manifestOf(files)))
  const other = await room.create('www', body(fileLine('x', 'alpha')))
  for (const text of ['alpha', 'beta beta']) await room.putBlob(id, digestOf(text), { offset: 0, body: body(text) })
  t.match(await room.get(other.id), { missingCount: 0 }, 'what one brought the other has')
  used = await room.directoryOf(id, 'www')
  await t.rejects(room.directoryOf(id, 'docs'), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(room.drop(id), { code: 'ENGINE_ERR_CONFLICT' })
  await room.release(used)
  t.match(await room.get(id), { id, jobIds: ['J1'] }, 'another job is of it')
  used = ''
  await room.drop(id)
  t.strictSame(readdirSync(join(directory, 'www/blobs')), [alpha])
  await t.rejects(room.get(id), { code: 'ENGINE_ERR_UPLOAD_UNKNOWN' })
  await room.release(await room.directoryOf(other.id, 'www'))
  for (const folder of ['blobs', 'open', 'parts']) t.strictSame(readdirSync(join(directory, 'www', folder)), [])
})

t.test('what lay idle for too long goes, what others made stays', async (t) => {
  const directory = t.testdir({})
  const clock = new ManualClock()
  const room = await openRoom(directory, { clock })
  const { id } = await room.create('www', body(manifestOf(files)))
  await room.putContent('www', body('nobody wants this'))
  writeFileSync(join(directory, 'www/blobs/mine'), 'mine')
  const stray = join(directory, 'www/blobs', digestOf('nobody wants this'))
  clock.advance(UPLOAD_SWEEP_MS)
  await room.sweep()
  t.match(await room.get(id), { id })
  await utimes(stray, 0, 0)
  clock.advance(UPLOAD_SWEEP_MS)
  await room.sweep()
  await t.rejects(room.get(id), { code: 'ENGINE_ERR_UPLOAD_UNKNOWN' })
  t.notOk(existsSync(stray))
  t.strictSame(readdirSync(join(directory, 'www/blobs')), ['mine'])
})

t.test('a job waits for its upload while bytes come, and not for ever', async (t) => {
  const clock = new ManualClock()
  const room = await openRoom(t.testdir({}), { clock })
  const { id } = await room.create('www', body(manifestOf(files)))
  const directory = await room.directoryOf(id, 'www')
  t.ok(room.owns(directory))
  t.notOk(room.owns('/srv/site'))
  clock.advance(UPLOAD_STALLED_MS - 1)
  t.equal(room.stalled(directory), null)
  await room.putBlob(id, alpha, { offset: 0, body: body('alpha') })
  clock.advance(UPLOAD_STALLED_MS - 1)
  t.equal(room.stalled(directory), null)
  clock.advance(1)
  t.match(room.stalled(directory), { code: 'ENGINE_ERR_UPLOAD_STALLED', details: { missingCount: 1 } })
  await room.putBlob(id, beta, { offset: 0, body: body('beta beta') })
  clock.advance(UPLOAD_STALLED_MS)
  t.equal(room.stalled(directory), null, 'nothing is missing')
})

t.test('after a power cut contents are read again, and those that were lost are wanted again', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  const { id } = await room.create('www', body(manifestOf(files)))
  for (const text of ['alpha', 'beta beta']) await room.putBlob(id, digestOf(text), { offset: 0, body: body(text) })
  await room.close()
  writeFileSync(join(directory, 'www/blobs', beta), '\0'.repeat(9))
  const sameBoot = await openRoom(directory)
  t.match(await sameBoot.get(id), { missingCount: 0 }, 'without one nothing is read')
  await sameBoot.close()
  writeFileSync(join(directory, '.boot'), 'another')
  const next = await openRoom(directory)
  await t.rejects(next.complete(id), { code: 'ENGINE_ERR_UPLOAD_INCOMPLETE', details: { missingCount: 1 } })
  t.match(await next.blob(id, beta), { haveBytes: 0 })
})

t.test('only the owner can read what is uploaded, and a damaged upload does not stop the rest', async (t) => {
  const directory = join(t.testdir({}), 'uploads')
  const room = await openRoom(directory)
  const { id } = await room.create('www', body(manifestOf(files)))
  const other = await room.create('www', body(fileLine('x', 'x')))
  t.equal(statSync(directory).mode & 0o777, 0o700)
  await room.close()
  writeFileSync(join(directory, 'www/open', `${id}.tree`), 'garbage')
  const next = await openRoom(directory)
  await t.rejects(next.get(id), { code: 'ENGINE_ERR_UPLOAD_UNKNOWN' })
  t.match(await next.get(other.id), { missingCount: 1 })
})

t.test('what is held is told: uploads with their ages, and contents that none of them names', async (t) => {
  const directory = t.testdir({})
  const clock = new ManualClock()
  const metrics = createMetrics()
  const room = await openRoom(directory, { clock, metrics })
  const { id } = await room.create('www', body(manifestOf(files)))
  const openedAtMs = clock.nowMs()
  clock.advance(UPLOAD_NOTE_MS)
  await room.putBlob(id, alpha, { offset: 0, body: body('alpha') })
  await room.putBlob(id, beta, { offset: 0, body: body('beta') })
  await room.putContent('www', body('beta ', 'beta'))
  t.match(room.list(), [{ openedAtMs, touchedAtMs: openedAtMs + UPLOAD_NOTE_MS, jobIds: [] }])
  t.strictSame(await room.loose(), [], 'both are of the upload')
  await room.putContent('www', body('loose'))
  await room.putContent('docs', body('also', ' loose'))
  t.strictSame(await room.loose(), [
    { site: 'docs', contentCount: 1, totalBytes: 10 },
    { site: 'www', contentCount: 1, totalBytes: 5 },
  ])
  const text = await metrics.text()
  t.match(text, /^engine_uploads_open 1$/m)
  t.match(text, /^engine_upload_bytes_received_total 33$/m)
  await room.drop(id)
  t.match(await metrics.text(), /^engine_uploads_open 0$/m)
})

t.test('an upload is as old in the next life', async (t) => {
  const directory = t.testdir({})
  const room = await openRoom(directory)
  const { id, openedAtMs } = await room.create('www', body(manifestOf(files)))
  await room.close()
  const tree = join(directory, 'www/open', `${id}.tree`)
  await utimes(tree, Date.now() / 1000 + 60, Date.now() / 1000 + 60)
  const metrics = createMetrics()
  const next = await (await openRoom(directory, { metrics })).get(id)
  t.ok(Math.abs(next.openedAtMs - openedAtMs) < 30_000, `${next.openedAtMs} ${openedAtMs}`)
  t.ok(next.touchedAtMs > openedAtMs)
  t.match(await metrics.text(), /^engine_uploads_open 1$/m)
})

t.test('what an upload brought goes with it, also when a release has it by then', async (t) => {
  const directory = t.testdir({})
  const held: { directory: string; treePath: string }[] = []
  const room = await openRoom(directory, { held: async () => held })
  const { id } = await room.create('www', body(manifestOf(files)))
  for (const text of ['alpha', 'beta beta']) await room.putBlob(id, digestOf(text), { offset: 0, body: body(text) })
  const treePath = join(t.testdirName, 'live.tree')
  copyFileSync(new UploadPaths(directory).tree('www', id), treePath)
  held.push({ directory, treePath })
  t.match(await room.complete(id), { missingCount: 0 })
  await room.drop(id)
  for (const folder of ['blobs', 'open', 'incoming']) t.strictSame(readdirSync(join(directory, 'www', folder)), [])
})

t.test('contents of no upload are dropped when that is asked for, but for those that a job needs', async (t) => {
  const directory = t.testdir({})
  const pinned = digestOf('pinned')
  const room = await openRoom(directory, { isPinned: (site, digest) => site === 'www' && digest === pinned })
  const { id } = await room.create('www', body(manifestOf(files)))
  await room.putBlob(id, alpha, { offset: 0, body: body('alpha') })
  for (const text of ['loose', 'pinned']) await room.putContent('www', body(text))
  await room.putContent('docs', body('of another site'))
  t.strictSame(await room.dropLoose('www'), { site: 'www', contentCount: 1, totalBytes: 5 })
  t.strictSame(readdirSync(join(directory, 'www/blobs')).sort(), [alpha, pinned].sort())
  t.match(await room.loose(), [{ site: 'docs' }, { site: 'www', contentCount: 1 }])
  t.strictSame(await room.dropLoose('never-heard-of'), { site: 'never-heard-of', contentCount: 0, totalBytes: 0 })
  t.notOk(existsSync(join(directory, 'never-heard-of')), 'nothing is made for a question')
})

t.test('a content that a manifest wants by the time it would be dropped stays', async (t) => {
  const directory = t.testdir({})
  await (await openRoom(directory)).putContent('www', body('loose'))
  const paths = new UploadPaths(directory)
  // So many that others have their turn before the last of them is looked at.
  for (let i = 1; i < UPLOAD_LOOKS_A_TURN; i++) writeFileSync(paths.blob('www', digestOf(String(i))), String(i))
  const clock = new ManualClock()
  const room = await openRoom(directory, { clock })
  await room.putContent('www', body('beta beta'))
  let turns = 0
  clock.turn = async () => {
    turns += 1
    await room.create('www', body(manifestOf(files)))
  }
  t.match(await room.dropLoose('www'), { contentCount: UPLOAD_LOOKS_A_TURN })
  t.equal(turns, 1)
  t.match(room.list(), [{ missingCount: 1 }])
  t.strictSame(readdirSync(join(directory, 'www/blobs')), [beta])
})

t.test('manifests are received so many at once, and no more', async (t) => {
  const room = await openRoom(t.testdir({}))
  const open = Array.from({ length: UPLOAD_REQUESTS_MAX }, () => new PassThrough())
  const work = open.map((hanging) => room.create('www', hanging))
  const outcomes = Promise.allSettled(work)
  await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(room.create('www', body(manifestOf(files))), { code: 'ENGINE_ERR_OVERLOADED' })
  for (const hanging of open) hanging.destroy()
  t.equal((await outcomes).filter(({ status }) => status === 'rejected').length, UPLOAD_REQUESTS_MAX)
  t.match(await room.create('www', body(manifestOf(files))), { missingCount: 2 }, 'then there is room again')
})
