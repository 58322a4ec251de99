import { RECEIPT_BATCH_MAX } from '../base/limits.js'
import type { Receipt } from '../model/job.js'
import type { Store } from '../store/store.js'

interface Entry {
  readonly receipt: Receipt
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Records receipts, all that wait together in one durable step: hundreds of nodes that report in the
 * same moment cost a few syncs of the disk, not one each.
 */
export class ReceiptBook {
  readonly #store: Pick<Store, 'transaction' | 'receipts'>
  #waiting: Entry[] = []
  #isWriting = false

  constructor(store: Pick<Store, 'transaction' | 'receipts'>) {
    this.#store = store
  }

  /** Durable when it resolves. One that cannot be recorded rejects and does not keep the others. */
  record(receipt: Receipt): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ receipt, done, failed })
      if (!this.#isWriting) void this.#write()
    })
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, RECEIPT_BATCH_MAX)
      try {
        await this.#store.transaction((tables) => tables.receipts.recordAll(batch.map(({ receipt }) => receipt)))
        for (const { done } of batch) done()
      } catch {
        await this.#writeEach(batch)
      }
    }
    this.#isWriting = false
  }

  async #writeEach(batch: readonly Entry[]): Promise<void> {
    for (const { receipt, done, failed } of batch) {
      try {
        await this.#store.receipts.record(receipt)
        done()
      } catch (error) {
        failed(error)
      }
    }
  }
}
