import { EVENT_ID_GAP, RECENT_EVENTS_MAX } from '../base/limits.js'
import type { JobEvent } from '../model/event.js'
import type { Events } from '../store/events.js'
import { Bell } from './bell.js'

/** The events of one job that has not been over for long. */
interface Stream {
  lastId: number
  /** Kept events of this life, and the last progress. */
  recent: JobEvent[]
  readonly bell: Bell
  watchers: number
  /** The job has ended: nothing more will be told. */
  isOver: boolean
}

/** Hands out event ids and tells watchers; what they missed is in the database. */
export class Watching {
  readonly #events: Events
  readonly #streams = new Map<string, Stream>()

  constructor(events: Events) {
    this.#events = events
  }

  /** Takes up a job; ids go on after all that any earlier life gave out. */
  async begin(jobId: string, isNew: boolean): Promise<void> {
    if (this.#streams.has(jobId)) return
    const lastId = isNew ? 0 : (await this.#events.lastId(jobId)) + EVENT_ID_GAP
    this.#streams.set(jobId, { lastId, recent: [], bell: new Bell(), watchers: 0, isOver: false })
  }

  /** The id of the next event of a job. */
  nextId(jobId: string): number {
    const stream = this.#streams.get(jobId)
    if (stream === undefined) return 1
    stream.lastId += 1
    return stream.lastId
  }

  /** Tells watchers. Phases and results are in the database already; of progress only the last counts. */
  tell(jobId: string, event: JobEvent): void {
    const stream = this.#streams.get(jobId)
    if (stream === undefined) return
    const kept = event.type === 'progress' ? stream.recent.filter((each) => each.type !== 'progress') : stream.recent
    stream.recent = [...kept, event].slice(-RECENT_EVENTS_MAX)
    stream.bell.ring()
  }

  /** A job is over: who watches it reads on, then it is forgotten here. */
  end(jobId: string): void {
    const stream = this.#streams.get(jobId)
    if (stream === undefined) return
    stream.isOver = true
    stream.bell.ring()
    if (stream.watchers === 0) this.#streams.delete(jobId)
  }

  /** Events of a job with an id beyond `sinceId`, until its result or until `signal` fires. */
  async *watch(jobId: string, sinceId: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    const stream = this.#streams.get(jobId)
    if (stream === undefined) {
      yield* await this.#events.since(jobId, sinceId)
      return
    }
    stream.watchers += 1
    try {
      let cursor = sinceId
      while (!signal.aborted) {
        // The next ring is listened for before looking: an event in between is not missed.
        const rung = stream.bell.wait(signal).catch(() => {})
        const wasOver = stream.isOver
        for (const event of await this.#after(jobId, cursor, stream)) {
          yield event
          cursor = event.id
          if (event.type === 'result') return
        }
        if (wasOver) return
        await rung
      }
    } finally {
      stream.watchers -= 1
      if (stream.isOver) this.end(jobId)
    }
  }

  /** From memory when that reaches back far enough, else from the database with the last progress after it. */
  async #after(jobId: string, cursor: number, stream: Stream): Promise<readonly JobEvent[]> {
    const oldest = stream.recent[0]?.id ?? Number.MAX_SAFE_INTEGER
    const kept = oldest <= cursor + 1 ? [] : await this.#events.since(jobId, cursor)
    const lastKept = kept.at(-1)?.id ?? cursor
    return [...kept, ...stream.recent.filter((event) => event.id > lastKept)]
  }
}
