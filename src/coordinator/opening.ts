import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { makeDataDirectory } from '../base/directories.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { machineLoad } from '../base/load.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import { idSource, newIdentity, systemRandom } from '../base/random.js'
import { Signer } from '../base/signing.js'
import { readSoftware } from '../base/software.js'
import { Content } from '../content/index.js'
import { BANDWIDTH_OFF } from '../model/bandwidth.js'
import type { DataListen } from '../model/node.js'
import { generateKey, publicKeyOf } from '../native/keys.js'
import { RateLimit } from '../native/rate-limit.js'
import { Relay } from '../native/relay.js'
import { lockDirectory } from '../native/storage.js'
import { WorkerPool } from '../pool/pool.js'
import { Deliverer } from '../outside/webhooks/deliverer.js'
import { Store } from '../store/store.js'
import { Transfers } from '../transfer/index.js'
import { Announcing } from './announcing.js'
import { AuditLog } from './auditing.js'
import type { UploadLimits } from '../uploads/index.js'
import { WholePacking } from './catching-up.js'
import { Wording } from './wording.js'
import { Checks } from './checking.js'
import { NodeBook } from './node-book.js'
import { Queries } from './querying.js'
import { Weighing } from '../plan/weighing.js'
import type { Quotas } from '../jobs/quota.js'
import { LinkWatch } from './link-watch.js'
import { Looking } from './looking.js'
import { DurableOutbox } from './outbox.js'
import { Probes } from './probing.js'
import { Roster } from './roster.js'
import { ReceiptBook } from './receipt-book.js'
import { NodeStandings } from './standings.js'
import { Uplinks } from './uplinks.js'
import { openUploads } from './uploading.js'
import { Watching } from './watching.js'
import type { World } from './world.js'

/** The file of the database in the data directory. */
const DATABASE = 'engine.db'

export interface OpeningOptions {
  readonly dataDir: string
  readonly data: DataListen
  /** How fast its relay may send; absent: as fast as can be. */
  readonly bwlimit?: string
  readonly segment: string
  /** Damage that a node reports is mended without being asked. */
  readonly repair: boolean
  readonly uploads: UploadLimits
  readonly quotas: Quotas
  readonly log: Logger
  readonly clock: Clock
  readonly metrics: Metrics
  readonly closing: AbortSignal
  /** Every webhook may be on a private address. */
  readonly allowPrivate: boolean
}

/** What was opened, and how each of it is closed: the last opened first. */
export class OpenedWorld {
  world: World | null = null
  readonly #closers: { readonly name: string; readonly close: () => void | Promise<void> }[] = []

  /** Opens something and notes how it is closed. */
  keep<T>(name: string, opened: T, close: (it: T) => void | Promise<void>): T {
    this.#closers.push({ name, close: () => close(opened) })
    return opened
  }

  /** Closes all of it; what fails to close does not keep the rest open. */
  async close(log: Logger): Promise<void> {
    for (const { name, close } of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        log.error({ err: toEngineError(error), name }, 'a part did not close')
      }
    }
  }
}

/**
 * Opens all that a coordinator works on; `opened` knows what is open when this fails in between.
 * @throws {EngineError} ENGINE_ERR_DATA_DIR_UNWRITABLE, ENGINE_ERR_DATA_DIR_IN_USE, ENGINE_ERR_PORT_IN_USE,
 * ENGINE_ERR_DATABASE_DAMAGED and what else its parts refuse.
 */
export async function openWorld(options: OpeningOptions, opened: OpenedWorld): Promise<World> {
  const { dataDir, data, segment, repair, quotas, log, clock, metrics, closing } = options
  await makeDataDirectory(dataDir)
  opened.keep('lock', lockDirectory(dataDir), (lock) => lock.release())
  const database = await Store.open(join(dataDir, DATABASE), { looksInside: false })
  const store = opened.keep('database', database, (it) => it.close())
  const { coordinatorId, keySeed } = await identityOf(store)
  const publicKey = publicKeyOf(keySeed)
  const signer = new Signer(keySeed)
  const auditLog = await AuditLog.open({ store, signer, clock, metrics, log: log.child({ room: 'audit' }) })
  opened.keep('audit log', auditLog, (it) => it.close())
  const pool = opened.keep('worker pool', new WorkerPool({ keptThreads: 1 }), (it) => it.close())
  const content = await Content.open({ directory: dataDir, pool, keySeed })
  const { host, port } = data
  const own = { nodeId: coordinatorId, name: 'coordinator', role: 'coordinator' } as const
  const relay = opened.keep('relay', new Relay({ host, port, ...own }), (it) => it.close())
  const limits = { relay, clock, bandwidth: options.bwlimit ?? BANDWIDTH_OFF }
  const rateLimit = opened.keep('rate limit', new RateLimit(limits), (it) => it.close())
  const source = { nodeId: coordinatorId, host: data.announceHost ?? data.host, port: relay.port }
  const transferLog = log.child({ room: 'transfer' })
  const transfers = new Transfers({ relay, source, publicKey, log: transferLog })
  opened.keep('transfers', transfers, (it) => it.closeAll())
  const announcing = openAnnouncing({ ...options, store, coordinatorId }, opened)
  const roster = new Roster()
  const weighing = new Weighing()
  const ownLinks = { nodeId: coordinatorId, limitBps: () => rateLimit.view.rateBps, load: machineLoad }
  const uploads = opened.keep('uploads', await openUploads(() => world, options), (it) => it.close())
  const world: World = {
    ...{
      store,
      content,
      transfers,
      uploads,
      clock,
      log,
      metrics,
      coordinatorId,
      source,
      closing,
      segment,
      repair,
      quotas,
      rateLimit,
    },
    openedAtMs: clock.monotonicMs(),
    publicKey: publicKey.toString('hex'),
    ...{ roster, weighing, uplinks: new Uplinks({ roster, weighing, clock, own: ownLinks }) },
    watching: new Watching(store.events),
    announcing,
    standings: new NodeStandings(() => world),
    receiptBook: new ReceiptBook(store, clock),
    nodeBook: new NodeBook(store, clock),
    auditLog,
    wholes: new WholePacking(() => world),
    wording: new Wording(() => world, signer),
    checks: new Checks(),
    queries: new Queries(),
    linkWatch: new LinkWatch(() => world),
    looking: new Looking(() => world),
    probes: new Probes(() => world),
    sites: new Map(),
    jobs: new Map(),
    stale: [],
    background: new Set(),
  }
  opened.world = world
  return world
}

/** What tells the world outside; it delivers nothing before it is rung for. */
function openAnnouncing(
  options: OpeningOptions & { readonly store: Store; readonly coordinatorId: string },
  opened: OpenedWorld,
): Announcing {
  const { store, coordinatorId, clock, metrics, allowPrivate } = options
  const nowMs = (): number => clock.nowMs()
  const outbox = new DurableOutbox({ store, newId: idSource(nowMs, systemRandom), allowPrivate, nowMs })
  const { name, version } = readSoftware()
  const about = { outbox, coordinatorId, allowPrivate, userAgent: `${name}/${version}` }
  const log = options.log.child({ room: 'outside' })
  const deliverer = new Deliverer({ ...about, clock, random: systemRandom, log, metrics })
  opened.keep('callbacks', deliverer, (it) => it.close())
  return new Announcing({ store, outbox, deliverer, clock, coordinatorId })
}

/** Made once and kept: nodes know a coordinator by its key. */
async function identityOf(store: Store): Promise<{ coordinatorId: string; keySeed: Buffer }> {
  if ((await store.meta.read()) === null) {
    await store.meta.create({ coordinatorId: newIdentity(systemRandom), keySeed: generateKey().seed })
  }
  await store.meta.nextEpoch()
  const meta = await store.meta.read()
  if (meta === null) throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'the database has no identity' })
  return meta
}
