import { assert } from '../base/assert.js'
import { type EngineError, toEngineError } from '../base/errors.js'
import type { PackSource } from '../content/index.js'
import { checkGuards } from '../jobs/guard.js'
import { checkReleaseQuota } from '../jobs/quota.js'
import type { ReleaseRef } from '../model/node.js'
import type { PackBatch, PackResult, ScanResult } from '../native/content.js'
import type { AssignmentRecord } from '../store/assignments.js'
import type { Snapshot } from '../store/snapshots.js'
import type { Transfer } from '../transfer/index.js'
import type { UploadSource } from '../uploads/index.js'
import { nodesOf } from './audience.js'
import { openForJob, stageShadow } from './distributing.js'
import type { LiveJob } from './live-job.js'
import { advance, refreshSite, type World } from './world.js'

/** What is to be packed. */
export interface ToPack {
  /** The directory that is read, or what is told of in its place. */
  readonly directory: string
  /** Set where contents come by their digests. */
  readonly upload: UploadSource | null
  /** See `GuardFacts`. */
  readonly filesNamed: number | null
}

/**
 * Scans what is to be packed and packs what differs; chunks leave while it packs.
 * @returns `identical`: nothing differs from what is live, nothing was packed.
 * @throws {EngineError} what the scan, a guard, the packing or the shadow refuses; nothing was switched.
 */
export async function packJob(world: World, job: LiveJob, toPack: ToPack): Promise<'packed' | 'identical'> {
  const { site } = job.record
  const { directory, upload, filesNamed } = toPack
  const base = await baseOf(world, site)
  const order = { jobId: job.id, site, directory, base: base?.release ?? null, treePath: upload?.treePath ?? null }
  const scanned = await timed(world, job, 'scan', () => world.content.scan(order, { signal: job.signal }))
  await noteScan(world, job, scanned)
  const changes = job.record.changes ?? noChanges
  checkReleaseQuota(world.quotas, changes.totalBytes)
  const live = await liveFacts(world, site, base, scanned)
  const refusal = checkGuards({ directory, changes, filesNamed, ...live }, job.record.policy)
  if (refusal !== null) throw refusal
  if (scanned.identical && base !== null) {
    const { release, treeHash } = base
    await advance(world, job, { type: 'numbered', release, baseRelease: release }, { patch: { treeHash } })
    return 'identical'
  }
  await giveNumber(world, job, scanned, base)
  await world.probes.beforeJob(job)
  await timed(world, job, 'pack', () => new Packing(world, job, { directory, base, upload }).run())
  return 'packed'
}

const noChanges = { filesAdded: 0, filesChanged: 0, filesDeleted: 0, fileCount: 0, totalBytes: 0 }

/** The release that the nodes serve, as long as the shadow has it whole. */
export async function baseOf(world: World, site: string): Promise<ReleaseRef | null> {
  const target = world.sites.get(site)?.record.target ?? null
  if (target === null) return null
  const base = { release: target.release, treeHash: target.treeHash }
  if (await world.content.holds(site, base)) return base
  world.log.warn({ site, release: base.release }, 'the shadow lacks what is live: everything travels whole')
  return null
}

/** What the guards compare with. A shadow that is lost is no licence to delete: the record still counts its files. */
async function liveFacts(world: World, site: string, base: ReleaseRef | null, { shadowFileCount }: ScanResult) {
  if (base !== null) return { liveFileCount: shadowFileCount, isCompared: true }
  const target = world.sites.get(site)?.record.target ?? null
  const live = target === null ? null : await world.store.releases.get(site, target.release)
  return { liveFileCount: live?.fileCount ?? 0, isCompared: false }
}

async function noteScan(world: World, job: LiveJob, scanned: ScanResult): Promise<void> {
  const { filesAdded, filesChanged, filesDeleted, fileCount, totalBytes } = scanned
  const changes = { filesAdded, filesChanged, filesDeleted, fileCount, totalBytes }
  await advance(world, job, { type: 'scanned', changes })
}

/** Takes a new number each time: one that an interrupted packing had may be on nodes with other content. */
async function giveNumber(world: World, job: LiveJob, scanned: ScanResult, base: ReleaseRef | null): Promise<void> {
  const { site } = job.record
  const release = await world.store.sites.nextRelease(site)
  const { treeHash, fileCount, totalBytes } = scanned
  const baseRelease = base?.release ?? null
  const record = { site, release, treeHash, baseRelease, jobId: job.id, fileCount, totalBytes, held: false }
  const createdAtMs = world.clock.nowMs()
  await advance(
    world,
    job,
    { type: 'numbered', release, baseRelease },
    { patch: { treeHash }, write: (tables) => tables.releases.put({ ...record, createdAtMs }) },
  )
}

/** What is packed, against which release. */
interface Packed {
  readonly directory: string
  readonly base: ReleaseRef | null
  readonly upload: UploadSource | null
}

/** One packing: the stream grows, vouches go to the session, the shadow follows. What fails first stops the rest. */
class Packing {
  readonly #world: World
  readonly #job: LiveJob
  readonly #directory: string
  readonly #base: ReleaseRef | null
  readonly #upload: UploadSource | null
  readonly #stop = new AbortController()
  readonly #vouches: Uint8Array[] = []
  #opening: Promise<void> | null = null
  #transfer: Transfer | null = null
  #shadow: Promise<void> | null = null
  #failure: EngineError | null = null

  constructor(world: World, job: LiveJob, of: Packed) {
    this.#world = world
    this.#job = job
    this.#directory = of.directory
    this.#base = of.base
    this.#upload = of.upload
  }

  async run(): Promise<void> {
    const { content, store, clock, uplinks } = this.#world
    const { site, release } = this.#job.record
    const members = nodesOf(this.#world, this.#job.record).map(({ identity }) => ({ nodeId: identity.id }))
    assert(release !== null, 'a job is numbered before it is packed', { jobId: this.#job.id })
    const serial = await store.meta.nextSerial()
    const signal = AbortSignal.any([this.#job.signal, this.#stop.signal])
    const order = {
      source: this.#source,
      site,
      release,
      baseRelease: this.#base?.release ?? null,
      serial,
      chunkBytes: uplinks.chunkBytesFor({ members }),
      nowMs: clock.nowMs(),
    }
    const packing = content.pack(order, { signal, onUpdate: (batch) => this.#take(batch, serial, signal) })
    try {
      const packed = await packing
      await this.#opening
      await this.#finish(packed)
      await this.#shadow
    } catch (error) {
      this.#fail(error)
    }
    const [packed] = await Promise.allSettled([packing, this.#opening, this.#shadow])
    this.#job.signal.throwIfAborted()
    // A pack that fails removes its files: the opening or the shadow may have missed them before it could say why.
    const own = packed.status === 'rejected' ? toEngineError(packed.reason) : null
    if (own !== null && own.code !== 'ENGINE_ERR_CANCELLED') throw own
    if (this.#failure !== null) throw this.#failure
  }

  get #source(): PackSource {
    const directory = this.#upload?.blobs ?? this.#directory
    return { jobId: this.#job.id, directory, held: this.#upload?.held ?? null }
  }

  #fail(error: unknown): void {
    this.#failure ??= toEngineError(error)
    this.#stop.abort(this.#failure)
  }

  #take(batch: PackBatch, serial: number, signal: AbortSignal): void {
    if (batch.vouch !== null) this.#vouches.push(batch.vouch)
    if (this.#opening === null) {
      this.#opening = this.#open(batch, serial, signal)
      this.#opening.catch((error: unknown) => this.#fail(error))
    }
    this.#flush()
  }

  /** The assignment is on record before a node hears of it. */
  async #open(batch: PackBatch, serial: number, signal: AbortSignal): Promise<void> {
    const job = this.#job
    const record = toRecord(this.#world, job, batch, serial)
    const { assignmentId: id, chunkBytes } = batch
    await advance(
      this.#world,
      job,
      { type: 'assigned', assignment: { id, serial, chunkBytes, streamBytes: null } },
      { write: (tables) => tables.assignments.create(record) },
    )
    signal.throwIfAborted()
    job.baseTreeHash = this.#base?.treeHash ?? null
    this.#transfer = openForJob(this.#world, job, record, { whole: false })
    this.#flush()
    this.#shadow = stageShadow(this.#world, job, this.#transfer, signal)
    this.#shadow.catch((error: unknown) => this.#fail(error))
  }

  #flush(): void {
    if (this.#transfer === null) return
    for (const vouch of this.#vouches.splice(0)) this.#transfer.vouch(vouch)
  }

  async #finish(packed: PackResult): Promise<void> {
    const job = this.#job
    const record = job.assignment
    assert(record !== null, 'a packed job has an assignment', { jobId: job.id })
    const { chunkCount, streamBytes, contentBytes, dataDigest } = packed
    const whole = { ...record, packed: { chunkCount, streamBytes, contentBytes, dataDigest } }
    const snapshot = toSnapshot(this.#world, job, whole, packed)
    await advance(
      this.#world,
      job,
      { type: 'packed', streamBytes },
      {
        async write(tables) {
          await tables.assignments.setPacked(record.id, whole.packed)
          await tables.snapshots.put(snapshot)
        },
      },
    )
    job.assignment = whole
    await refreshSite(this.#world, job.record.site)
    await this.#world.content.dropScan(job.id)
  }
}

function toRecord(world: World, job: LiveJob, batch: PackBatch, serial: number): AssignmentRecord {
  const { site, release, baseRelease, treeHash } = job.record
  assert(release !== null && treeHash !== null, 'a job is numbered before it is packed', { jobId: job.id })
  const { assignmentId: id, chunkBytes } = batch
  const facts = { command: 'publish', site, release, baseRelease, treeHash, jobId: job.id } as const
  return { id, serial, ...facts, chunkBytes, packed: null, createdAtMs: world.clock.nowMs() }
}

function toSnapshot(world: World, job: LiveJob, record: AssignmentRecord, packed: PackResult): Snapshot {
  const { serial, site, release, command, baseRelease, treeHash, chunkBytes, id: assignmentId } = record
  const { chunkCount, streamBytes, contentBytes, dataDigest } = packed
  const nodes = job.remaining.map((part) => part.name)
  const sizes = { chunkBytes, chunkCount, streamBytes, contentBytes }
  const details = {
    assignmentId,
    command,
    baseRelease,
    treeHash,
    dataDigest,
    ...sizes,
    changes: job.record.changes,
    nodes,
  }
  return { serial, site, release, jobId: job.id, atMs: world.clock.nowMs(), details }
}

/** Runs one phase and records how long it took. */
export async function timed<T>(
  world: World,
  job: LiveJob,
  phase: 'scan' | 'pack' | 'distribute' | 'commit',
  work: () => Promise<T>,
): Promise<T> {
  const startedMs = world.clock.monotonicMs()
  const result = await work()
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000
  world.metrics.observe('engine_job_phase_duration_seconds', { group: job.record.group, phase }, seconds)
  return result
}
