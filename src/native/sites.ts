// In: an assignment's stream and where its release belongs. Out: a staged tree, one atomic switch of `live`.
// Never: a path outside the directory it was given, a wait on libuv's threads.
import { guarded, guardedAsync } from './fault.js'
import type { RawApplying } from './load.js'
import { engine } from './load.js'
import type { Relay } from './relay.js'

export interface ApplyOptions {
  /** Session that is fetching the stream; absent: the file is complete. */
  readonly relay?: Relay
  readonly session?: number
  readonly streamPath: string
  readonly assignmentId: string
  /** Tree and manifest of the base release; both null when the assignment has none. */
  readonly baseDirectory: string | null
  readonly baseTreePath: string | null
  /** Where the release is to stand: `<site>/releases/<n>`; it is staged beside and renamed when whole. */
  readonly targetDirectory: string
  /** Where its manifest is written: `<site>/trees/<n>.tree`. */
  readonly treePath: string
}

export interface ApplyResult {
  readonly treeHash: string
  readonly filesWritten: number
  /** Files that cost no bytes: linked or cloned from the base release. */
  readonly filesShared: number
  readonly bytesWritten: number
}

/** The execution of one assignment, on a native thread of its own, while the stream still arrives. */
export class Applying {
  readonly #raw: RawApplying
  readonly #result: Promise<ApplyResult>

  constructor(options: ApplyOptions) {
    const { relay, session, ...rest } = options
    this.#raw = guarded(() => new (engine().Applying)(rest, relay?.raw, session))
    this.#result = guardedAsync(() => this.#raw.result())
    // Whoever wants the outcome asks for it; a failure nobody asked about is not the process's end.
    this.#result.catch(() => {})
  }

  /**
   * Settles when the staged tree is whole, checked against the promised hash and durable.
   * @throws {EngineError} ENGINE_ERR_ASSIGNMENT_CORRUPT, ENGINE_ERR_DIGEST_MISMATCH, ENGINE_ERR_TREE_MISMATCH,
   * ENGINE_ERR_BASE_MISSING, ENGINE_ERR_NO_SPACE, ENGINE_ERR_PATH_ESCAPES, ENGINE_ERR_CANCELLED;
   * ENGINE_ERR_RELAY_SESSION when the session ended first. Nothing half-done is left.
   */
  result(): Promise<ApplyResult> {
    return this.#result
  }

  /** Stops at the next step; `result` then rejects with ENGINE_ERR_CANCELLED. */
  cancel(): void {
    this.#raw.cancel()
  }
}

/**
 * Points `<site>/live` at `releases/<release>` by one rename, durable when the promise settles.
 * @throws {EngineError} ENGINE_ERR_RELEASE_UNKNOWN when it is not held, ENGINE_ERR_LIVE_TAKEN when a file or a
 * directory stands in place of the link; nothing is changed then.
 */
export function switchLive(siteDirectory: string, release: number): Promise<void> {
  return guardedAsync(() => engine().switchLive(siteDirectory, release))
}

/** The release that `<site>/live` points at; null when there is none yet. */
export function readLive(siteDirectory: string): number | null {
  return guarded(() => engine().readLive(siteDirectory))
}

/** The releases held whole, ascending: those with a tree and its manifest. */
export function listReleases(siteDirectory: string): readonly number[] {
  return guarded(() => engine().listReleases(siteDirectory))
}

/**
 * Removes the releases that are neither in `keep` nor live, and the stagings of releases not in `staging`; what has
 * another name stays. Gives the releases removed, ascending.
 */
export function pruneReleases(
  siteDirectory: string,
  keep: readonly number[],
  staging: readonly number[] = [],
): Promise<readonly number[]> {
  return guardedAsync(() => engine().pruneReleases(siteDirectory, [...keep], [...staging]))
}

/** Removes a tree without following a link; a path that is not there is no error. */
export function removeTree(path: string): Promise<void> {
  return guardedAsync(() => engine().removeTree(path))
}

/** Removes a stream's file and its parcels, as far as they are there; other names of the parcels' files stay. */
export function removeStream(path: string): Promise<void> {
  return guardedAsync(() => engine().removeStream(path))
}
