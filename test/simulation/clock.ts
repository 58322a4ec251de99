// One clock for all that is simulated. Time moves from one event to the next; between two of them everything that
// promises have to do is done, so that the order of things depends on the seed alone.
import { type Cancel, type Clock, sleepWith } from '../../src/base/clock.js'

interface Event {
  readonly atMs: number
  readonly age: number
  run: (() => void) | null
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.age < b.age)

/** A process may end in the middle of it. */
function happen(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof Crash)) throw error
  }
}

const { queueMicrotask: put } = globalThis
/** What a process puts off to the end of its turn may be where it ends, too. */
globalThis.queueMicrotask = (run) => put(() => happen(run))

// Nobody waits for what a process does by itself: where that ends, it has ended.
process.on('unhandledRejection', (reason) => {
  if (!(reason instanceof Crash)) throw reason
})

/** Lets everything run that promises have to do. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class Timeline {
  nowMs = 0
  /** Events that have happened. */
  count = 0
  readonly #heap: Event[] = []
  #age = 0

  /** Has something happen after `ms`, at a whole millisecond. */
  after(ms: number, run: () => void): Cancel {
    const event: Event = { atMs: this.nowMs + Math.max(0, Math.ceil(ms)), age: this.#age++, run }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  /** Moves on to `endMs`. */
  async runUntil(endMs: number): Promise<void> {
    await settled()
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= endMs; first = this.#heap[0]) {
      this.nowMs = first.atMs
      let isIdle = true
      for (let next = this.#heap[0]; next !== undefined && next.atMs === this.nowMs; next = this.#heap[0]) {
        this.#pop()
        if (next.run === null) continue
        isIdle = false
        this.count += 1
        happen(next.run)
      }
      if (!isIdle) await settled()
    }
    this.nowMs = endMs
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as Event
      if (!isBefore(event, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= heap.length) break
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Event, heap[down] as Event)) down += 1
      if (!isBefore(heap[down] as Event, last)) break
      heap[at] = heap[down] as Event
      at = down
    }
    heap[at] = last
  }
}

/** What a process does is at an end: thrown into what was under way. */
export class Crash extends Error {
  constructor(readonly who: string) {
    super(`${who} has crashed`)
  }
}

const EPOCH_MS = 1_700_000_000_000

/** One life of a process, from its start to its crash: its clock, and the points at which it may end. */
export class Life implements Clock {
  readonly who: string
  readonly died: Promise<never>
  readonly #time: Timeline
  readonly #onCrash: (why: string) => void
  #isAlive = true
  #stepsLeft = Number.POSITIVE_INFINITY
  #die: (crash: Crash) => void = () => {}

  /** @param onCrash called once, from within the step that it ends in. */
  constructor(who: string, time: Timeline, onCrash: (why: string) => void) {
    this.who = who
    this.#time = time
    this.#onCrash = onCrash
    this.died = new Promise((_, reject) => {
      this.#die = reject
    })
    this.died.catch(() => {})
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  nowMs = (): number => EPOCH_MS + this.#time.nowMs
  monotonicMs = (): number => this.#time.nowMs
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => sleepWith(this.setTimer, ms, signal)

  turn = (): Promise<void> => new Promise((resolve) => void this.setTimer(0, resolve))

  setTimer = (ms: number, run: () => void): Cancel =>
    this.#time.after(ms, () => {
      if (this.#isAlive) run()
    })

  /** All intervals of one length fall together: fewer moments to look at. */
  setInterval = (ms: number, run: () => void): Cancel => {
    let isOver = false
    const wait = (): void => {
      const untilMs = ms - (this.#time.nowMs % ms)
      this.#time.after(untilMs, () => {
        if (isOver || !this.#isAlive) return
        run()
        wait()
      })
    }
    wait()
    return () => {
      isOver = true
    }
  }

  /** It ends at the n-th step from now. */
  endIn(steps: number): void {
    this.#stepsLeft = steps
  }

  /** Something that lasts, or that others see, is about to happen or has just happened. @throws {Crash}. */
  step(what: string): void {
    if (!this.#isAlive) throw new Crash(this.who)
    this.#stepsLeft -= 1
    if (this.#stepsLeft > 0) return
    this.crash(what)
    throw new Crash(this.who)
  }

  crash(why: string): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#die(new Crash(this.who))
    this.#onCrash(why)
  }
}
