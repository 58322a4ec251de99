import type { Clock } from '../base/clock.js'
import { RECEIPT_BATCH_MAX } from '../base/limits.js'
import type { Receipt } from '../model/job.js'
import type { Store } from '../store/store.js'
import { Gathering } from './gathering.js'

/** Records receipts, all that come in the same moment in one durable step. */
export class ReceiptBook {
  readonly #gathering: Gathering<Receipt>

  constructor(store: Pick<Store, 'transaction' | 'receipts'>, clock: Pick<Clock, 'turn'>) {
    this.#gathering = new Gathering<Receipt>({
      clock,
      batchMax: RECEIPT_BATCH_MAX,
      writeAll: (receipts) => store.transaction((tables) => tables.receipts.recordAll(receipts)),
      writeOne: async (receipt) => void (await store.receipts.record(receipt)),
    })
  }

  /** Durable when it resolves. One that cannot be recorded rejects and does not keep the others. */
  record(receipt: Receipt): Promise<void> {
    return this.#gathering.write(receipt)
  }
}
