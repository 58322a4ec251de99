// Goal: a packing that fails is told by what began it. Method: a real database; content and relay that fail to order.
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import type { Content } from '../../../src/content/index.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { packJob } from '../../../src/coordinator/packing.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { Watching } from '../../../src/coordinator/watching.js'
import { refreshSite, type World } from '../../../src/coordinator/world.js'
import { Store } from '../../../src/store/store.js'
import { ManualClock } from '../../support/manual-clock.js'
import { jobRecord, nodeIdentity } from '../../support/records.js'
import { untold } from '../../support/untold.js'

/** What is wrong with the content; the pack removes its files before it says so. */
const changing = new EngineError('ENGINE_ERR_FILE_CHANGING', { path: '/srv/www/page' })
const missing = new EngineError('ENGINE_ERR_IO', { what: '1.stream', why: 'No such file or directory' })

/** A job whose stream cannot be opened, and whose pack then ends with `packError`. */
async function place(t: { testdir(): string; teardown(run: () => unknown): void }, packError: EngineError) {
  const store = await Store.open(join(t.testdir(), 'engine.db'))
  t.teardown(() => store.close())
  const job = new LiveJob(jobRecord({ state: 'packing' }), { commands: [], parts: [] }, 0)
  await store.sites.ensure('www', { group: 'edge', only: null }, 1)
  await store.meta.create({ coordinatorId: 'c'.repeat(32), keySeed: Buffer.alloc(32) })
  await store.jobs.create(job.record)
  const [clock, roster, watching] = [new ManualClock(), new Roster(), new Watching(store.events)]
  await watching.begin(job.id, true)
  roster.admit(nodeIdentity({ groups: ['edge'] }), [], 1)
  const counts = { filesAdded: 1, filesChanged: 0, filesDeleted: 0, fileCount: 1, totalBytes: 1, shadowFileCount: 0 }
  const pack: Content['pack'] = async (_order, { signal, onUpdate }) => {
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve))
    onUpdate?.({ ...{ assignmentId: 'x', chunkBytes: 1, vouch: null, chunks: 1, streamBytes: 1 }, ...progress })
    await aborted
    throw packError
  }
  const open = (): never => {
    throw missing
  }
  const world = {
    quotas: { jobs: 1, releaseBytes: null },
    ...untold,
    ...{ store, clock, roster, watching, log: silentLogger, metrics: createMetrics(), openedAtMs: 0 },
    ...{ jobs: new Map([[job.id, job]]), sites: new Map(), closing: new AbortController().signal },
    content: { scan: async () => ({ ...counts, treeHash: 'e'.repeat(64), identical: false }), pack, paths },
    transfers: { open },
    uplinks: { chunkBytesFor: () => 0 },
    uploads: { owns: () => false },
    probes: { beforeJob: async () => {} },
  } as unknown as World
  await refreshSite(world, 'www')
  return { world, job }
}

const progress = { filesPacked: 1, bytesPacked: 1 }
const paths = { stream: () => '1.stream', vouches: () => '1.vouch' }

t.test('a file that changes is told as that, although its stream was gone before anybody could open it', async (t) => {
  const { world, job } = await place(t, changing)
  await t.rejects(packJob(world, job, { directory: '/srv/www', upload: null, filesNamed: null }), {
    code: 'ENGINE_ERR_FILE_CHANGING',
  })
})

t.test('a pack that only stops because its stream cannot be opened hides nothing', async (t) => {
  const { world, job } = await place(t, new EngineError('ENGINE_ERR_CANCELLED', { what: 'the pack' }))
  await t.rejects(packJob(world, job, { directory: '/srv/www', upload: null, filesNamed: null }), {
    code: 'ENGINE_ERR_IO',
    message: /1\.stream/,
  })
})
