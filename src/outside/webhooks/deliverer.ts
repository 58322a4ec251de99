// The coordinator's callbacks: what happened is told to those who asked, by signed HTTP, until they have it.
// In: deliveries that are due, from an outbox that is durable. Out: POSTs, and what came of each, back to the outbox.
// Never: a delivery that is not on record; a redirect followed; an address that nobody allowed; a secret in a log.
import type { Cancel, Clock } from '../../base/clock.js'
import { EngineError, toEngineError } from '../../base/errors.js'
import { MINUTE_MS, SECOND_MS } from '../../base/units.js'
import { RETRY_MS_MAX } from '../../base/limits.js'
import { WEBHOOKS_AT_ONCE_MAX } from '../../base/outside-limits.js'
import type { Logger } from '../../base/log.js'
import type { Metrics } from '../../base/metrics.js'
import type { Random } from '../../base/random.js'
import type { FleetEvent } from '../../model/fleet-event.js'
import { toCloudEvent } from './cloud-event.js'
import { judge, type Outcome, type Verdict } from './schedule.js'
import { type Post, send, type SendOptions } from './send.js'
import { type Secret, signingHeaders } from './signature.js'

/** The timer is set for no longer than this: a wall clock that jumps is noticed. */
const LOOK_MS_MAX = MINUTE_MS

/** A delivery with all that it takes to send it. */
export interface Outgoing {
  readonly id: string
  readonly webhookId: string
  readonly attempts: number
  readonly sinceMs: number
  readonly event: FleetEvent
  readonly endpoint: {
    readonly url: string
    readonly secrets: readonly Secret[]
    readonly allowPrivate: boolean
    readonly isOff: boolean
    readonly failingSinceMs: number | null
  }
}

/** What came of an attempt, as it is kept. */
export interface Attempt extends Verdict {
  readonly atMs: number
  readonly tookMs: number
}

/** Where deliveries are kept; every method is durable when it settles. */
export interface Outbox {
  /** Of each webhook that is not in `busy` its oldest delivery that is due. */
  due(nowMs: number, busy: readonly string[]): Promise<readonly { readonly id: string; readonly webhookId: string }[]>
  /** When the next of those falls due; null: nothing waits. */
  nextAtMs(busy: readonly string[]): Promise<number | null>
  /** Null when it was removed meanwhile. */
  load(id: string): Promise<Outgoing | null>
  record(outgoing: Outgoing, attempt: Attempt): Promise<void>
}

export interface DelivererOptions {
  readonly outbox: Outbox
  readonly coordinatorId: string
  /** Of the whole coordinator: every webhook may be on a private address. */
  readonly allowPrivate: boolean
  /** What the headers call this software. */
  readonly userAgent: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
  readonly send?: (post: Post, options: SendOptions) => Promise<Outcome>
}

/** Delivers what is due: one at a time to each webhook, a few webhooks at a time, who waited longest first. */
export class Deliverer {
  readonly #options: DelivererOptions
  readonly #closing = new AbortController()
  readonly #busy = new Map<string, Promise<void>>()
  /** When each webhook was last tried, so that slow ones do not take every turn. */
  readonly #triedAtMs = new Map<string, number>()
  #looking: Promise<void> | null = null
  #lookAgain = false
  #cancelTimer: Cancel = () => {}

  constructor(options: DelivererOptions) {
    this.#options = options
  }

  /** Something may be due: it is looked for soon. Never throws. */
  wake(): void {
    if (this.#closing.signal.aborted) return
    this.#lookAgain = true
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
  }

  /** Stops; an attempt under way is broken off and made again in the next life. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    this.#cancelTimer()
    await this.#looking
    await Promise.allSettled(this.#busy.values())
  }

  async #look(): Promise<void> {
    while (this.#lookAgain && !this.#closing.signal.aborted) {
      this.#lookAgain = false
      this.#cancelTimer()
      try {
        await this.#start()
      } catch (error) {
        this.#options.log.error({ err: toEngineError(error) }, 'deliveries cannot be read')
        this.#setTimer(RETRY_MS_MAX)
      }
    }
  }

  async #start(): Promise<void> {
    const { outbox, clock } = this.#options
    const nowMs = clock.nowMs()
    const due = [...(await outbox.due(nowMs, [...this.#busy.keys()]))]
    const triedAtMs = ({ webhookId }: { readonly webhookId: string }): number => this.#triedAtMs.get(webhookId) ?? -1
    const isDue = new Set(due.map(({ webhookId }) => webhookId))
    // Of who has nothing more to get now it is forgotten: a job's callback comes once.
    for (const id of this.#triedAtMs.keys()) if (!isDue.has(id) && !this.#busy.has(id)) this.#triedAtMs.delete(id)
    due.sort((a, b) => triedAtMs(a) - triedAtMs(b))
    for (const { id, webhookId } of due.slice(0, WEBHOOKS_AT_ONCE_MAX - this.#busy.size)) {
      this.#triedAtMs.set(webhookId, clock.monotonicMs())
      this.#busy.set(webhookId, this.#deliver(id, webhookId))
    }
    // With every turn taken, the end of an attempt is the next time to look.
    if (this.#busy.size >= WEBHOOKS_AT_ONCE_MAX) return
    const nextAtMs = await outbox.nextAtMs([...this.#busy.keys()])
    if (nextAtMs !== null) this.#setTimer(nextAtMs - clock.nowMs())
  }

  #setTimer(waitMs: number): void {
    if (this.#closing.signal.aborted) return
    this.#cancelTimer = this.#options.clock.setTimer(Math.min(Math.max(waitMs, 0), LOOK_MS_MAX), () => this.wake())
  }

  async #deliver(id: string, webhookId: string): Promise<void> {
    const { log, clock } = this.#options
    try {
      await this.#attempt(id)
    } catch (error) {
      // What was sent and could not be recorded is sent again, but not at once and for ever.
      if (!this.#closing.signal.aborted) {
        log.error({ err: toEngineError(error), webhookId, deliveryId: id }, 'a delivery cannot be recorded')
        await clock.sleep(RETRY_MS_MAX, this.#closing.signal).catch(() => {})
      }
    } finally {
      this.#busy.delete(webhookId)
      this.wake()
    }
  }

  async #attempt(id: string): Promise<void> {
    const { outbox, clock, random, metrics } = this.#options
    const outgoing = await outbox.load(id)
    if (outgoing === null) return
    const { attempts, sinceMs, endpoint } = outgoing
    const startedAtMs = clock.monotonicMs()
    const outcome = await this.#send(outgoing)
    if (this.#closing.signal.aborted) return
    const tookMs = Math.round(clock.monotonicMs() - startedAtMs)
    const { isOff, failingSinceMs } = endpoint
    const atMs = clock.nowMs()
    const verdict = judge({ attempts, sinceMs, isOff, failingSinceMs }, outcome, atMs, random.next())
    await outbox.record(outgoing, { ...verdict, atMs, tookMs })
    metrics.add('engine_webhook_deliveries_total', { result: resultOf(verdict) }, 1)
    this.#tell(outgoing, verdict, tookMs)
  }

  #send({ id, event, endpoint }: Outgoing): Promise<Outcome> {
    const { clock, coordinatorId, userAgent } = this.#options
    const nowMs = clock.nowMs()
    const body = JSON.stringify(toCloudEvent(event, coordinatorId))
    const signed = { id, timestamp: Math.floor(nowMs / SECOND_MS), body }
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': userAgent,
      ...signingHeaders(signed, endpoint.secrets, nowMs),
    }
    const allowPrivate = endpoint.allowPrivate || this.#options.allowPrivate
    const options = { clock, signal: this.#closing.signal }
    return (this.#options.send ?? send)({ url: endpoint.url, headers, body, allowPrivate }, options)
  }

  /** A path may hold a token: of the address only the host is logged. */
  #tell({ id, webhookId, event, endpoint }: Outgoing, verdict: Verdict, tookMs: number): void {
    const { log } = this.#options
    const { state, status, error, off } = verdict
    const { host } = new URL(endpoint.url)
    const facts = { webhookId, deliveryId: id, host, type: event.type, state, status, tookMs }
    if (off !== null) log.warn({ ...facts, why: off }, 'a webhook is turned off')
    else if (state === 'delivered') log.debug(facts, 'a callback was delivered')
    else if (state === 'failed') log.warn({ ...facts, why: error }, 'a callback is given up')
    else log.info({ ...facts, why: error }, 'a callback is tried again later')
  }
}

const resultOf = ({ state }: Verdict): string => (state === 'waiting' ? 'retry' : state)
