// In: a release's directory and its manifest. Out: what differs between them.
// Never: a change of either, a wait on libuv's threads, reading faster than it is told to.
import { guarded, guardedAsync } from './fault.js'
import type { RawVerifying } from './load.js'
import { engine } from './load.js'
import type { FindingKind } from '../model/verification.js'

export interface VerifyOptions {
  readonly directory: string
  readonly treePath: string
  /** Bits per second at most; null: as fast as the disk gives. */
  readonly rateBps: number | null
  /** How many findings are kept; all are counted. */
  readonly findingsMax: number
}

export interface VerifyResult {
  /** Of the manifest that the release was held against. */
  readonly treeHash: string
  readonly files: number
  readonly bytes: number
  /** Entries that differ. */
  readonly mismatches: number
  /** The first of them, ascending by path; the release's own directory is `.`. */
  readonly findings: readonly { readonly path: string; readonly kind: FindingKind }[]
}

/** How far it is. */
export type VerifyStatus = Pick<VerifyResult, 'files' | 'bytes' | 'mismatches'>

/** One release being held against its manifest, on a native thread of its own. */
export class Verifying {
  readonly #raw: RawVerifying
  readonly #result: Promise<VerifyResult>

  constructor(options: VerifyOptions) {
    this.#raw = guarded(() => new (engine().Verifying)(options))
    this.#result = guardedAsync(() => this.#raw.result())
    // Whoever wants the outcome asks for it; a failure nobody asked about is not the process's end.
    this.#result.catch(() => {})
  }

  /**
   * Settles when every entry was looked at. What differs is a finding, not an error.
   * @throws {EngineError} ENGINE_ERR_TREE_CORRUPT, ENGINE_ERR_IO of the manifest; ENGINE_ERR_CANCELLED.
   */
  result(): Promise<VerifyResult> {
    return this.#result
  }

  status(): VerifyStatus {
    return guarded(() => this.#raw.status())
  }

  /** Stops at the next block; `result` then rejects with ENGINE_ERR_CANCELLED. */
  cancel(): void {
    this.#raw.cancel()
  }
}
