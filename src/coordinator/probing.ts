import type { Clock } from '../base/clock.js'
import { EngineError, isErrorCode } from '../base/errors.js'
import { PROBE_MS, PROBES_BEFORE_JOB_MS, PROBES_WAITING_MAX } from '../base/probe-limits.js'
import type { Probe, Probed } from '../control/schema/channel.js'
import { COORDINATOR_NAME } from '../model/bandwidth.js'
import type { PeerRef } from '../model/node.js'
import type { Measured, ProbeRequest, ProbeView } from '../model/rate.js'
import { nodesOf } from './audience.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

interface Waiting {
  readonly nodeId: string
  readonly resolve: (measured: Measured) => void
  readonly reject: (error: EngineError) => void
}

/** A link to be measured; null is the coordinator. */
interface Link {
  readonly from: KnownNode | null
  readonly to: KnownNode | null
}

/** States in which a job's content may be on its way. */
const sendingStates: ReadonlySet<string> = new Set(['packing', 'distributing'])

/** Measures links, one at a time: two at once would measure each other. */
export class Probes {
  readonly #world: () => World
  readonly #waiting = new Map<string, Waiting>()
  #turn: Promise<unknown> = Promise.resolve()
  #queued = 0
  #count = 0

  constructor(world: () => World) {
    this.#world = world
  }

  /**
   * Measures what the coordinator can send to a node and that to the coordinator, or what another node can send to it.
   * @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, ENGINE_ERR_INVALID_ARGUMENT,
   * ENGINE_ERR_PROBE_BUSY, ENGINE_ERR_PROBE_FAILED, ENGINE_ERR_NODE_SILENT, ENGINE_ERR_OVERLOADED.
   */
  async probe(name: string, { from, bulk = false, force = false }: ProbeRequest): Promise<readonly ProbeView[]> {
    const node = this.#there(name)
    const sender = from === undefined || from === COORDINATOR_NAME ? null : this.#there(from)
    if (sender === node)
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'from', why: 'it is the node itself' })
    const forth = { from: sender, to: node }
    const links: readonly Link[] = from === undefined ? [forth, { from: node, to: null }] : [forth]
    return this.#inTurn(async () => {
      if (!force) requireQuiet(this.#world())
      const views: ProbeView[] = []
      for (const link of links) views.push(await this.#measure(link, bulk))
      return views
    })
  }

  /**
   * Measures what a job's nodes can send, as far as that is not known, for a bounded time and one after the other.
   * What cannot be measured is left as it is.
   */
  async beforeJob(job: LiveJob): Promise<void> {
    const world = this.#world()
    const { strategy, probe } = job.record.policy
    if (probe !== true || strategy === 'star' || isSending(world, job)) return
    const endMs = world.clock.monotonicMs() + PROBES_BEFORE_JOB_MS
    const isOver = (): boolean => job.signal.aborted || world.clock.monotonicMs() >= endMs || isSending(world, job)
    for (const from of nodesOf(world, job.record)) {
      if (isOver()) return
      const known = world.uplinks.rateOf(from.identity.id)
      if (from.link === null || (known !== null && !known.isStale && known.how !== 'passive')) continue
      const measuring = this.#inTurn(async () => {
        // Its turn may come late, or after the job's patience is at its end.
        if (!isOver()) await this.#measure({ from, to: null }, false, endMs - world.clock.monotonicMs())
      }).catch((error: unknown) => {
        world.log.info({ err: error, node: from.identity.name }, 'a link was not measured before a job')
      })
      await waitUntil(measuring, endMs, { clock: world.clock, signal: job.signal })
    }
  }

  /** A node answered; what another node was asked is not its to answer. */
  answer(nodeId: string, { probeId, measured, error }: Probed): void {
    const waiting = this.#waiting.get(probeId)
    if (waiting?.nodeId !== nodeId) return
    this.#waiting.delete(probeId)
    if (measured !== null) waiting.resolve(measured)
    else waiting.reject(errorOf(error))
  }

  /** A node's connection is gone: it will not answer. */
  lost({ identity: { id, name } }: KnownNode): void {
    for (const [probeId, { nodeId, reject }] of this.#waiting) {
      if (nodeId !== id) continue
      this.#waiting.delete(probeId)
      reject(new EngineError('ENGINE_ERR_NODE_LOST', { name }))
    }
  }

  #there(name: string): KnownNode {
    const known = this.#world().roster.all.find(({ identity }) => identity.name === name)
    if (known === undefined) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: name })
    if (known.link === null) throw new EngineError('ENGINE_ERR_NODE_LOST', { name })
    return known
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#queued >= PROBES_WAITING_MAX) throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'measurements' })
    this.#queued += 1
    const done = this.#turn.then(work, work)
    this.#turn = done.catch(() => {})
    return done.finally(() => {
      this.#queued -= 1
    })
  }

  async #measure({ from, to }: Link, isBulk: boolean, limitMs = PROBE_MS): Promise<ProbeView> {
    const { metrics, transfers, uplinks, coordinatorId, source, closing } = this.#world()
    closing.throwIfAborted()
    const how = isBulk ? 'bulk' : 'train'
    const peer: PeerRef = to === null ? source : { nodeId: to.identity.id, ...to.identity.dataAddress }
    try {
      const measuring = from === null ? transfers.probe(peer, isBulk) : this.#ask(from, { to: peer, isBulk }, limitMs)
      const measured = await measuring
      uplinks.measured(from?.identity.id ?? coordinatorId, peer.nodeId, how, measured)
      metrics.add('engine_probes_total', { how, result: 'measured' }, 1)
      return { from: nameOf(from), to: nameOf(to), how, ...measured }
    } catch (error) {
      metrics.add('engine_probes_total', { how, result: 'failed' }, 1)
      throw error
    }
  }

  async #ask(from: KnownNode, asked: Pick<Probe, 'to' | 'isBulk'>, ms: number): Promise<Measured> {
    const { clock, closing } = this.#world()
    const { id: nodeId, name } = from.identity
    this.#count += 1
    const probeId = String(this.#count)
    const answer = new Promise<Measured>((resolve, reject) => {
      this.#waiting.set(probeId, { nodeId, resolve, reject })
    })
    const fail = (error: EngineError): void => {
      this.#waiting.get(probeId)?.reject(error)
      this.#waiting.delete(probeId)
    }
    const onClosing = (): void => fail(new EngineError('ENGINE_ERR_CLOSING'))
    closing.addEventListener('abort', onClosing, { once: true })
    const cancel = clock.setTimer(ms, () => fail(new EngineError('ENGINE_ERR_NODE_SILENT', { name, ms })))
    if (from.link === null) fail(new EngineError('ENGINE_ERR_NODE_LOST', { name }))
    from.link?.send({ type: 'probe', probeId, ...asked })
    try {
      return await answer
    } finally {
      cancel()
      closing.removeEventListener('abort', onClosing)
    }
  }
}

/** Settles with `work`, which never fails, or at `endMs`, or when `signal` fires: then it goes on by itself. */
async function waitUntil(
  work: Promise<unknown>,
  endMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const enough = new AbortController()
  const waiting = clock.sleep(Math.max(0, endMs - clock.monotonicMs()), AbortSignal.any([signal, enough.signal]))
  await Promise.race([work, waiting.catch(() => {})])
  enough.abort()
}

const nameOf = (known: KnownNode | null): string => known?.identity.name ?? COORDINATOR_NAME

function errorOf(error: Probed['error']): EngineError {
  const { code, message, hint } = error ?? { code: '', message: 'the node gave no reason', hint: 'see its log' }
  return new EngineError(isErrorCode(code) ? code : 'ENGINE_ERR_INTERNAL', {}, { message, hint })
}

/** Whether content of others than this job is on its way. */
const isSending = (world: World, job: LiveJob | null): boolean => sendingNow(world, job) !== null

function sendingNow(world: World, but: LiveJob | null): string | null {
  const jobs = [...world.jobs.values()].filter((job) => job !== but && sendingStates.has(job.record.state))
  if (jobs[0] !== undefined) return `job ${jobs[0].id} of ${jobs[0].record.site}`
  const busy = world.roster.all.find(({ link, assignmentsUnderWay }) => link !== null && assignmentsUnderWay.length > 0)
  return busy === undefined ? null : `node ${busy.identity.name} fetches what it lacks`
}

function requireQuiet(world: World): void {
  const what = sendingNow(world, null)
  if (what !== null) throw new EngineError('ENGINE_ERR_PROBE_BUSY', { what })
}
