// Goal: tasks run away from the main thread, tell their news in order, stop when asked, and keep the codes of their
// errors. Method: real scans and packing; for stopping and dying, tasks that never end by themselves.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { PackBatch, ScanProgress } from '../../../src/native/content.js'
import { WorkerPool } from '../../../src/pool/pool.js'
import { noise, packOptions, writeTree } from '../../support/assignments.js'
import { until } from '../../support/until.js'

const strangeWorkers = new URL('../../support/workers/', import.meta.url)
// Shared: a thread takes its time to start.
const pool = new WorkerPool()
const strange = new WorkerPool({ workers: strangeWorkers })
t.teardown(() => Promise.all([pool.close(), strange.close()]))

function scanOptions(directory: string) {
  return { directory, outTreePath: `${directory}.tree`, shadowTreePath: null }
}

t.test('a scan and a packing in worker threads give what they give here, and the main thread stays free', async (t) => {
  const directory = join(t.testdir({}), 'site')
  writeTree(directory, { 'index.html': '<p>hello', 'big.bin': noise(8, 2_000_000) })
  let turns = 0
  const ticking = setInterval(() => turns++, 1)
  const news: ScanProgress[] = []
  const found = await pool.scan(scanOptions(directory), { onUpdate: (progress) => news.push(progress) })
  t.match(found, { fileCount: 2, totalBytes: 2_000_008 })
  t.match(news.at(-1), { files: 2 })
  const options = packOptions({ directory, release: 1, chunkBytes: 65536 })
  const batches: PackBatch[] = []
  const packed = await pool.pack(options, { onUpdate: (batch) => batches.push(batch) })
  clearInterval(ticking)
  t.ok(turns > 0)
  t.match(batches[0], { vouch: null, assignmentId: packed.assignmentId })
  t.equal(batches.at(-1)?.chunks, packed.chunkCount, 'the last batch was heard before the end')
  const vouches = batches.flatMap((batch) => (batch.vouch ? [batch.vouch] : []))
  t.ok(readFileSync(options.vouchPath).equals(Buffer.concat(vouches)), 'in order, and none is missing')
})

t.test('an error keeps its code, its words and its facts', async (t) => {
  const directory = join(t.testdir({}), 'missing')
  await t.rejects(pool.scan(scanOptions(directory)), {
    code: /^ENGINE_ERR_(IO|SOURCE_UNREADABLE)$/,
    message: /missing/,
  })
})

t.test('a signal stops a task, which settles once it has stopped', async (t) => {
  const stop = new AbortController()
  const onUpdate = () => stop.abort()
  const running = strange.scan(scanOptions('/'), { signal: stop.signal, onUpdate })
  await t.rejects(running, { code: 'ENGINE_ERR_CANCELLED', message: 'stopped as asked' })
})

t.test('a signal that was given before stops a task before it begins', async (t) => {
  const onUpdate = () => t.fail('it began')
  const running = strange.scan(scanOptions('/'), { signal: AbortSignal.abort(), onUpdate })
  await t.rejects(running, { code: 'ENGINE_ERR_CANCELLED' })
})

t.test('a listener that throws stops the task, which fails with what it threw', async (t) => {
  const own = new RangeError('mine')
  const onUpdate = () => {
    throw own
  }
  const running = strange.scan(scanOptions('/'), { onUpdate })
  await t.rejects(running, { code: 'ENGINE_ERR_INTERNAL', cause: own })
})

t.test('a thread that dies fails its task, and the pool goes on', async (t) => {
  const options = packOptions({ directory: '/nowhere', release: 1 })
  await t.rejects(strange.pack(options), { code: 'ENGINE_ERR_INTERNAL' })
  const stop = new AbortController()
  const scanning = strange.scan(scanOptions('/'), { signal: stop.signal, onUpdate: () => stop.abort() })
  await t.rejects(scanning, { message: 'stopped as asked' })
})

t.test('closing stops what runs; a closed pool takes nothing', async (t) => {
  const pool = new WorkerPool({ workers: strangeWorkers })
  let begun = (): void => undefined
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const running = pool.scan(scanOptions('/'), { onUpdate: () => begun() })
  const ended = t.rejects(running, { code: 'ENGINE_ERR_CANCELLED' })
  await hasBegun
  await pool.close()
  await ended
  await t.rejects(pool.scan(scanOptions('/')), { code: 'ENGINE_ERR_NATIVE_CLOSED' })
})

t.test('a thread that is kept has read its programs before a task comes', async (t) => {
  const directory = t.testdir({})
  for (const name of ['scan', 'pack']) {
    const notes = `writeFileSync(new URL('${name}.read', import.meta.url), '')`
    writeFileSync(
      `${directory}/${name}.js`,
      `import { writeFileSync } from 'node:fs'\nexport const load = () => ${notes}\n`,
    )
  }
  writeFileSync(`${directory}/package.json`, '{"type":"module"}')
  const kept = new WorkerPool({ keptThreads: 1, workers: pathToFileURL(`${directory}/`) })
  await until('both are read', () => existsSync(`${directory}/scan.read`) && existsSync(`${directory}/pack.read`))
  await kept.close()
})

t.test('closing ends no thread while it loads a program: that would end the process', async (t) => {
  const directory = t.testdir({ 'package.json': '{"type":"module"}' })
  const ms = { scan: 200, pack: 600 }
  for (const [name, takesMs] of Object.entries(ms)) {
    const note = (what: string) => `writeFileSync(new URL('${name}.${what}', import.meta.url), '')`
    const wait = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${takesMs})`
    const lines = ["import { writeFileSync } from 'node:fs'", note('begun'), wait, note('loaded')]
    writeFileSync(`${directory}/${name}.js`, [...lines, 'export const load = () => {}\n'].join('\n'))
  }
  const kept = new WorkerPool({ keptThreads: 1, workers: pathToFileURL(`${directory}/`) })
  await until('it has begun', () => existsSync(`${directory}/scan.begun`))
  await setTimeout(100)
  await kept.close()
  for (const name of Object.keys(ms))
    t.equal(existsSync(`${directory}/${name}.loaded`), existsSync(`${directory}/${name}.begun`), name)
})
