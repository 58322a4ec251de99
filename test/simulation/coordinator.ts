// The real coordinator, life after life, over a database file that outlives them.
import type { WebSocket } from 'ws'
import { silentLogger } from '../../src/base/log.js'
import { PROGRESS_INTERVAL_MS } from '../../src/base/limits.js'
import { noMetrics } from '../../src/base/metrics.js'
import { idSource, type Random } from '../../src/base/random.js'
import { Signer } from '../../src/base/signing.js'
import type { CoordinatorDoor } from '../../src/control/door.js'
import { NodeChannel } from '../../src/control/node-channel.js'
import { Announcing } from '../../src/coordinator/announcing.js'
import { Door } from '../../src/coordinator/asking.js'
import { AuditedDoor, AuditLog } from '../../src/coordinator/auditing.js'
import { WholePacking } from '../../src/coordinator/catching-up.js'
import { Checks } from '../../src/coordinator/checking.js'
import { DurableOutbox } from '../../src/coordinator/outbox.js'
import { LinkWatch } from '../../src/coordinator/link-watch.js'
import { Looking } from '../../src/coordinator/looking.js'
import { NodeBook } from '../../src/coordinator/node-book.js'
import { Queries } from '../../src/coordinator/querying.js'
import { ReceiptBook } from '../../src/coordinator/receipt-book.js'
import { recover } from '../../src/coordinator/recovering.js'
import { Roster } from '../../src/coordinator/roster.js'
import { Probes } from '../../src/coordinator/probing.js'
import { Uplinks } from '../../src/coordinator/uplinks.js'
import { launch, startJobs } from '../../src/coordinator/running.js'
import { NodeStandings } from '../../src/coordinator/standings.js'
import { Ticking } from '../../src/coordinator/ticking.js'
import { Watching } from '../../src/coordinator/watching.js'
import { Wording } from '../../src/coordinator/wording.js'
import { WebhookDesk } from '../../src/coordinator/webhook-desk.js'
import type { World } from '../../src/coordinator/world.js'
import { Deliverer } from '../../src/outside/webhooks/deliverer.js'
import { Weighing } from '../../src/plan/weighing.js'
import { RateLimit } from '../../src/native/rate-limit.js'
import { Store } from '../../src/store/store.js'
import { Transfers } from '../../src/transfer/index.js'
import { Life, type Timeline } from './clock.js'
import { CoordinatorDisk, SimContent, simRelay, simUploads } from './content.js'
import { type Canaries, type Target, WatchedDatabase } from './database.js'
import type { Network } from './network.js'

const keySeed = Buffer.alloc(32, 5)
const coordinatorId = 'c'.repeat(32)

export interface SimCoordinatorOptions {
  readonly time: Timeline
  readonly random: Random
  /** Of its database. */
  readonly path: string
  readonly network: () => Network
  readonly note: (text: string) => void
  readonly onDecision: (targets: readonly Target[]) => void
  readonly onCanaries: (canaries: readonly Canaries[]) => void
  /** Changes what a life has put together, before it begins. */
  readonly mutate: (world: World) => void
}

interface Running {
  readonly life: Life
  readonly world: World
  readonly store: Store
  readonly door: CoordinatorDoor
  readonly channel: NodeChannel
}

export class SimCoordinator {
  readonly disk = new CoordinatorDisk()
  isFull = false
  crashes = 0
  readonly #options: SimCoordinatorOptions
  #life: Life | null = null
  #store: Store | null = null
  #running: Running | null = null
  #closing: Promise<void> = Promise.resolve()
  #wanted = false

  constructor(options: SimCoordinatorOptions) {
    this.#options = options
  }

  /** What runs and can be asked; null: it is down, or being opened. */
  get running(): Running | null {
    return this.#running
  }

  get life(): Life | null {
    return this.#life
  }

  /** Starts it, and again after each crash until `stop`. */
  start(): void {
    this.#wanted = true
    void this.#open()
  }

  async stop(): Promise<void> {
    this.#wanted = false
    this.#life?.crash('the end of the simulation')
    await this.#closing
  }

  accept(socket: WebSocket, remote: string): boolean {
    if (this.#running === null) return false
    this.#running.channel.take(socket, remote)
    return true
  }

  #crashed(why: string): void {
    const { time, random, network, note } = this.#options
    note(`coordinator crashes: ${why}`)
    this.crashes += 1
    this.#running = null
    for (const stream of this.disk.streams.values()) stream.isSent = false
    network().die(random.next() < 0.3)
    const store = this.#store
    this.#store = null
    // What it had not committed is not there for the next life.
    this.#closing = Promise.resolve().then(async () => store?.close().catch(() => {}))
    if (this.#wanted) time.after(50 + random.below(4000), () => void this.#closing.then(() => this.#open()))
  }

  async #open(): Promise<void> {
    if (!this.#wanted || this.#life?.isAlive === true) return
    const { time, note } = this.#options
    const life = new Life('the coordinator', time, (why) => this.#crashed(why))
    this.#life = life
    try {
      await this.#begin(life)
      note('coordinator open')
    } catch (error) {
      // Crashed while it opened: the crash has seen to the next start. Anything else ends a process, too.
      if (life.isAlive) life.crash(`it cannot open: ${String(error)}`)
    }
  }

  async #begin(life: Life): Promise<void> {
    const { path, onDecision, onCanaries, mutate } = this.#options
    const watched = { life, isFull: () => this.isFull, onDecision, onCanaries }
    const store = await Store.open(path, { through: (database) => new WatchedDatabase(database, watched) })
    this.#store = store
    life.step('the database is open')
    if ((await store.meta.read()) === null) await store.meta.create({ coordinatorId, keySeed })
    await store.meta.nextEpoch()
    const world = await this.#worldOf(life, store)
    mutate(world)
    await recover(world)
    const { door, channel } = this.#doorOf(life, world)
    world.openedAtMs = life.monotonicMs()
    const ticking = new Ticking(world)
    life.setInterval(PROGRESS_INTERVAL_MS, () => ticking.tick())
    for (const job of world.jobs.values()) if (job.record.state !== 'queued' || job.signal.aborted) launch(world, job)
    startJobs(world)
    world.announcing.ring()
    this.#running = { life, world, store, door, channel }
  }

  async #worldOf(life: Life, store: Store): Promise<World> {
    const { random } = this.#options
    const parts = { disk: this.disk, life, random }
    const signer = new Signer(keySeed)
    const source = { nodeId: coordinatorId, host: '10.0.0.1', port: 7401 }
    const publicKey = Buffer.from(signer.publicKey, 'hex')
    const clock = life
    const log = silentLogger
    const metrics = noMetrics
    const outbox = new DurableOutbox({
      store,
      newId: idSource(life.nowMs, random),
      allowPrivate: false,
      nowMs: life.nowMs,
    })
    const about = { outbox, coordinatorId, allowPrivate: false, userAgent: 'simulation' }
    const deliverer = new Deliverer({ ...about, clock, random, log, metrics })
    const roster = new Roster()
    const weighing = new Weighing()
    const own = { nodeId: coordinatorId, limitBps: () => null }
    const world: World = {
      wording: new Wording(() => world, signer),
      ...{
        store,
        clock,
        log,
        metrics,
        coordinatorId,
        source,
        segment: 'default',
        ...{ roster, weighing, uplinks: new Uplinks({ roster, weighing, clock, own }) },
        repair: true,
        quotas: { jobs: 1000, releaseBytes: null },
        uploads: simUploads,
        rateLimit: new RateLimit({ relay: { setRate: () => {} }, clock, bandwidth: 'off' }),
      },
      content: new SimContent(parts).asContent,
      transfers: new Transfers({ relay: simRelay(parts), source, publicKey, log }),
      openedAtMs: life.monotonicMs(),
      publicKey: signer.publicKey,
      watching: new Watching(store.events),
      announcing: new Announcing({ store, outbox, deliverer, clock, coordinatorId }),
      standings: new NodeStandings(() => world),
      receiptBook: new ReceiptBook(store, clock),
      nodeBook: new NodeBook(store, clock),
      auditLog: await AuditLog.open({ store, signer, clock, metrics, log }),
      wholes: new WholePacking(() => world),
      checks: new Checks(),
      probes: new Probes(() => world),
      queries: new Queries(),
      linkWatch: new LinkWatch(() => world),
      looking: new Looking(() => world),
      sites: new Map(),
      jobs: new Map(),
      stale: [],
      closing: new AbortController().signal,
      background: new Set(),
    }
    return world
  }

  #doorOf(life: Life, world: World): { readonly door: CoordinatorDoor; readonly channel: NodeChannel } {
    const newId = idSource(life.nowMs, this.#options.random)
    const webhooks = new WebhookDesk({ world, newId, allowPrivate: false })
    const version = { version: '0', apiVersion: 1, coordinatorId } as never
    const door = new AuditedDoor(new Door({ world, newJobId: newId, version, webhooks }), world.auditLog, 'simulation')
    const channel = new NodeChannel({ door, log: silentLogger, clock: life, metrics: noMetrics, loopbackOnly: true })
    return { door, channel }
  }
}
