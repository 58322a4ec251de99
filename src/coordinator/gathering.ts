import type { Clock } from '../base/clock.js'

interface Entry<T> {
  readonly item: T
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

export interface GatheringOptions<T> {
  readonly clock: Pick<Clock, 'turn'>
  /** Most that is written in one step. */
  readonly batchMax: number
  /** Writes all of it durably, or nothing. */
  readonly writeAll: (items: readonly T[]) => Promise<void>
  /** Writes one alone, once it could not be written with others. */
  readonly writeOne: (item: T) => Promise<void>
}

/**
 * Writes what comes in the same moment in one durable step: hundreds of nodes that say something at once cost a few
 * syncs of the disk, not one each.
 */
export class Gathering<T> {
  readonly #options: GatheringOptions<T>
  #waiting: Entry<T>[] = []
  #isWriting = false

  constructor(options: GatheringOptions<T>) {
    this.#options = options
  }

  /** Durable when it resolves. What cannot be written rejects and does not keep the others. */
  write(item: T): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ item, done, failed })
      if (!this.#isWriting) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      // What has arrived while the disk was at work is read from its sockets first: it goes into the same step.
      await this.#options.clock.turn()
      const batch = this.#waiting.splice(0, this.#options.batchMax)
      try {
        await this.#options.writeAll(batch.map(({ item }) => item))
        for (const { done } of batch) done()
      } catch {
        await this.#writeEach(batch)
      }
    }
    this.#isWriting = false
  }

  async #writeEach(batch: readonly Entry<T>[]): Promise<void> {
    for (const { item, done, failed } of batch) {
      try {
        await this.#options.writeOne(item)
        done()
      } catch (error) {
        failed(error)
      }
    }
  }
}
