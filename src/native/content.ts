// In: directories, manifests of trees, where to write. Out: a scan's figures, an assignment packed in one pass.
// Never: work on the main thread that grows with a tree; scan and pack block until they are done (see src/pool).
import { guarded, guardedAsync } from './fault.js'
import { engine } from './load.js'

/** How far a scan is; a callback that returns false stops it. */
export interface ScanProgress {
  readonly files: number
  readonly bytes: number
}

export interface ScanOptions {
  /** Staging directory, absolute. */
  readonly directory: string
  /** Where the manifest of what was found is written. */
  readonly outTreePath: string
  /** Manifest of the release to compare with; null: everything counts as added. */
  readonly shadowTreePath: string | null
}

/** What a scan found, and how it differs from the shadow. Counts are of files; bytes are of their contents. */
export interface ScanResult {
  /** 64 hexadecimal digits. */
  readonly treeHash: string
  readonly entryCount: number
  readonly fileCount: number
  readonly totalBytes: number
  readonly filesAdded: number
  readonly filesChanged: number
  readonly filesDeleted: number
  readonly shadowFileCount: number
  /** Nothing differs, not even a mode or a time. */
  readonly identical: boolean
}

export interface PackOptions {
  readonly directory: string
  /** Manifest that a scan of `directory` wrote. */
  readonly treePath: string
  /** Tree and manifest of the base release; both null: everything travels whole. */
  readonly baseDirectory: string | null
  readonly baseTreePath: string | null
  readonly serial: number
  readonly command: 'publish' | 'replicate'
  readonly site: string
  readonly release: number
  /** 0: none. */
  readonly baseRelease: number
  readonly outPath: string
  readonly vouchPath: string
  /** 0: chosen by the size of the content. */
  readonly chunkBytes: number
  /** Seed of the coordinator's ed25519 key, 32 bytes. */
  readonly signingKey: Uint8Array
  readonly createdNs: bigint
  /**
   * Null: `directory` is the tree that was scanned. Else it holds contents named by their digests, these releases
   * have further ones, and what is in neither is waited for.
   */
  readonly held: readonly HeldRelease[] | null
}

/** A whole release on this disk: its tree and its manifest. */
export interface HeldRelease {
  readonly directory: string
  readonly treePath: string
}

/**
 * One batch of a pack in progress. The first has no vouch: it says that the header is written, so that a relay
 * session may be opened. Each later one vouches for `chunks` chunks from the start, all of them in the file.
 */
export interface PackBatch {
  readonly assignmentId: string
  readonly chunkBytes: number
  readonly vouch: Uint8Array | null
  readonly chunks: number
  readonly streamBytes: number
  readonly filesPacked: number
  readonly bytesPacked: number
}

export interface PackResult {
  readonly assignmentId: string
  readonly serial: number
  readonly chunkBytes: number
  readonly chunkCount: number
  readonly streamBytes: number
  readonly dataDigest: string
  readonly contentBytes: number
}

/** What a manifest says of its tree. */
export interface TreeSummary {
  readonly treeHash: string
  readonly fileCount: number
  readonly totalBytes: number
  readonly entryCount: number
}

/**
 * Reads a directory, hashes every file, writes its manifest and compares it with the shadow's. Blocks.
 * @param onProgress  called from this thread now and then; false stops the scan.
 * @throws {EngineError} ENGINE_ERR_CANCELLED, ENGINE_ERR_FILE_CHANGING, and what the file system refuses.
 */
export function scan(options: ScanOptions, onProgress: (progress: ScanProgress) => boolean): ScanResult {
  return guarded(() => engine().scan(options, onProgress))
}

/**
 * Writes the assignment that turns the base release into the scanned tree, in one pass. Blocks.
 * @param onBatch  called from this thread for each batch of vouched chunks; false stops the packing.
 * @throws {EngineError} ENGINE_ERR_CANCELLED, ENGINE_ERR_FILE_CHANGING, ENGINE_ERR_NO_SPACE and others of files.
 */
export function pack(options: PackOptions, onBatch: (batch: PackBatch) => boolean): PackResult {
  const held = options.held === null ? null : [...options.held]
  return guarded(() => engine().pack({ ...options, held }, onBatch))
}

/**
 * Reads a manifest, on a thread of its own, and says what its tree is.
 * @throws {EngineError} ENGINE_ERR_TREE_CORRUPT when the manifest's own digest does not hold.
 */
export function treeHash(treePath: string): Promise<TreeSummary> {
  return guardedAsync(() => engine().treeHash(treePath))
}
