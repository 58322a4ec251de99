import { EngineError } from '../base/errors.js'

/** Lets what is done to one thing happen one after the other, in the order asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs when everything asked for before on the same key has ended, well or badly. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const done = before.then(work, work)
    const settled = done.catch(() => {})
    this.#last.set(key, settled)
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key)
    })
    return done
  }

  /** Settles when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values())
  }
}

/** A number of places; who finds none waits in line. */
export class Places {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Takes a place, to be given back. @throws {EngineError} ENGINE_ERR_CANCELLED when `signal` fires first. */
  take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the wait for a place' }))
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const granted = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(granted), 1)
        reject(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the wait for a place' }))
      }
      this.#waiting.push(granted)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}
