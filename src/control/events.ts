import type { ServerResponse } from 'node:http'
import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import {
  EVENT_HEARTBEAT_MS,
  WATCHER_BYTES_MAX,
  WATCHER_EVENTS_MAX,
  WATCHER_STALL_MS,
  WATCHERS_MAX,
} from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'

/** How soon a browser's EventSource calls again after a stream broke, milliseconds. */
const RETRY_MS = 1000

/** What a stream carries: an id to resume at, a name, and all of it as JSON. */
export interface StreamedEvent {
  readonly id: number | string
  readonly type: string
}

/** What waits for one slow watcher. A newer progress replaces an older one that nobody has seen. */
export class WatcherQueue {
  readonly #waiting: StreamedEvent[] = []

  get length(): number {
    return this.#waiting.length
  }

  /** @returns false, and keeps nothing, when the queue is full. */
  push(event: StreamedEvent): boolean {
    const last = this.#waiting.at(-1)
    if (event.type === 'progress' && last?.type === 'progress') this.#waiting.pop()
    if (this.#waiting.length >= WATCHER_EVENTS_MAX) return false
    this.#waiting.push(event)
    return true
  }

  shift(): StreamedEvent | undefined {
    return this.#waiting.shift()
  }
}

/** One event as server-sent events are written. JSON has no bare line end, so one data line is enough. */
export function formatEvent<T extends StreamedEvent>(event: T): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

interface Watcher {
  readonly response: ServerResponse
  readonly queue: WatcherQueue
  readonly controller: AbortController
  ended: boolean
}

export interface EventStreamsOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** The event streams of one server. */
export class EventStreams {
  readonly #options: EventStreamsOptions
  readonly #open = new Set<Watcher>()
  #closed = false

  constructor(options: EventStreamsOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#open.size
  }

  /** @throws {EngineError} ENGINE_ERR_OVERLOADED, ENGINE_ERR_CLOSING: no further stream may be opened. */
  admit(): void {
    if (this.#closed) throw new EngineError('ENGINE_ERR_CLOSING')
    if (this.#open.size >= WATCHERS_MAX) throw new EngineError('ENGINE_ERR_OVERLOADED', { what: 'event streams' })
  }

  /**
   * Writes events to the response until the source ends, the reader goes or falls too far behind.
   * @param controller  aborted when the reader is gone, so that the source stops.
   * @param opening  what the stream begins with, as it is sent.
   */
  async send(
    response: ServerResponse,
    events: AsyncIterable<StreamedEvent>,
    controller: AbortController,
    opening = '',
  ): Promise<void> {
    const watcher: Watcher = { response, queue: new WatcherQueue(), controller, ended: false }
    this.#open.add(watcher)
    this.#options.metrics.set('engine_watchers', {}, this.#open.size)
    response.on('close', () => controller.abort())
    response.on('error', () => controller.abort())
    response.on('drain', () => this.#flush(watcher))
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'close',
    })
    response.write(`retry: ${RETRY_MS}\n\n${opening}`)
    const stopHeartbeat = this.#heartbeat(watcher)
    try {
      await this.#pump(watcher, events)
    } catch (error) {
      this.#options.log.warn({ err: toEngineError(error) }, 'event stream cut')
      response.destroy()
    } finally {
      stopHeartbeat()
      this.#open.delete(watcher)
      this.#options.metrics.set('engine_watchers', {}, this.#open.size)
    }
  }

  /** Ends all streams; their readers are told to call again. */
  close(): void {
    this.#closed = true
    for (const watcher of this.#open) {
      watcher.controller.abort()
      watcher.response.end()
    }
  }

  #heartbeat(watcher: Watcher): Cancel {
    return this.#options.clock.setInterval(EVENT_HEARTBEAT_MS, () => {
      if (watcher.response.writableLength < WATCHER_BYTES_MAX) watcher.response.write(': alive\n\n')
    })
  }

  async #pump(watcher: Watcher, events: AsyncIterable<StreamedEvent>): Promise<void> {
    for await (const event of events) {
      if (watcher.controller.signal.aborted) return
      while (!watcher.queue.push(event)) {
        if (!(await this.#room(watcher))) return
      }
      this.#flush(watcher)
    }
    watcher.ended = true
    this.#flush(watcher)
  }

  /** Waits until the reader has read something. @returns false when it is gone or was cut for reading nothing. */
  #room(watcher: Watcher): Promise<boolean> {
    const { response, controller } = watcher
    return new Promise((resolve) => {
      const settle = (room: boolean) => (): void => {
        cancel()
        response.off('drain', onDrain)
        controller.signal.removeEventListener('abort', onGone)
        resolve(room)
      }
      const onDrain = settle(true)
      const onGone = settle(false)
      const cancel = this.#options.clock.setTimer(WATCHER_STALL_MS, () => {
        this.#options.log.info({ waiting: watcher.queue.length }, 'watcher reads nothing, stream cut')
        response.destroy()
        controller.abort()
      })
      response.on('drain', onDrain)
      controller.signal.addEventListener('abort', onGone, { once: true })
    })
  }

  #flush(watcher: Watcher): void {
    const { response, queue } = watcher
    while (queue.length > 0 && response.writableLength < WATCHER_BYTES_MAX) {
      const event = queue.shift()
      if (event !== undefined) response.write(formatEvent(event))
    }
    if (watcher.ended && queue.length === 0 && !response.writableEnded) response.end()
  }
}
