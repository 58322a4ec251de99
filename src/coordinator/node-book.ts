import type { Clock } from '../base/clock.js'
import { NODE_BATCH_MAX } from '../base/limits.js'
import type { NodeIdentity, NodeSite } from '../model/node.js'
import type { Nodes } from '../store/nodes.js'
import type { Store } from '../store/store.js'
import { Gathering } from './gathering.js'

type Write = (nodes: Nodes) => Promise<void>

/** What nodes say of themselves, on record: all that say something in the same moment in one durable step. */
export class NodeBook {
  readonly #gathering: Gathering<Write>

  constructor(store: Pick<Store, 'transaction'>, clock: Pick<Clock, 'turn'>) {
    this.#gathering = new Gathering<Write>({
      clock,
      batchMax: NODE_BATCH_MAX,
      writeAll: (writes) =>
        store.transaction(async ({ nodes }) => {
          for (const write of writes) await write(nodes)
        }),
      writeOne: (write) => store.transaction(({ nodes }) => write(nodes)),
    })
  }

  /**
   * Adds a node or takes over what it now says of itself; durable when it resolves.
   * @param publicKey null: it has none.
   * @throws {EngineError} ENGINE_ERR_NODE_NAME_TAKEN.
   */
  put(identity: NodeIdentity, sites: readonly NodeSite[], nowMs: number, publicKey: string | null): Promise<void> {
    return this.#gathering.write((nodes) => nodes.put(identity, sites, nowMs, publicKey))
  }

  /** Takes over what a node holds now. */
  setSites(id: string, sites: readonly NodeSite[], nowMs: number): Promise<void> {
    return this.#gathering.write((nodes) => nodes.setSites(id, sites, nowMs))
  }

  /** Notes when a node was last heard. */
  setSeen(id: string, lastSeenMs: number): Promise<void> {
    return this.#gathering.write((nodes) => nodes.setSeen(id, lastSeenMs))
  }
}
