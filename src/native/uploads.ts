// In: trees described as text, files that were received. Out: manifests, what is wanted of them, digests.
// Never: a look at content that the caller did not name; work on the main thread that grows with a tree.
import type { EditRequest } from '../model/edit.js'
import type { ScanResult, TreeSummary } from './content.js'
import { guarded, guardedAsync } from './fault.js'
import { engine } from './load.js'

/** Contents that are to be brought. */
export interface Wanted {
  readonly count: number
  readonly bytes: number
}

export interface FileDigest {
  readonly sizeBytes: number
  /** BLAKE3, 64 hexadecimal digits. */
  readonly digest: string
}

/**
 * Reads a text manifest (docs/guide/uploads.md) and writes the tree that it describes, durably.
 * @throws {EngineError} ENGINE_ERR_MANIFEST_INVALID with the line and the reason; nothing is written then.
 */
export function readManifest(manifestPath: string, treePath: string): Promise<TreeSummary> {
  return guardedAsync(() => engine().readManifest(manifestPath, treePath))
}

/** Writes the text manifest of a tree, in the order of its paths. */
export function writeManifest(treePath: string, outPath: string): Promise<void> {
  return guardedAsync(() => engine().writeManifest(treePath, outPath))
}

/**
 * Writes which contents of a tree none of the held ones has: records of 32 bytes digest and 8 bytes size
 * (little-endian), ascending. A held manifest that cannot be read has nothing.
 */
export function writeWanted(treePath: string, heldTreePaths: readonly string[], outPath: string): Promise<Wanted> {
  return guardedAsync(() => engine().writeWanted(treePath, [...heldTreePaths], outPath))
}

/** An edit of a tree (`src/model/edit`) with the time that it was asked for, nanoseconds since 1970. */
export type TreeEdit = EditRequest & { readonly atNs: string }

/**
 * Applies edits to a tree (null: an empty one), in their order, and writes what they make of it, durably.
 * @throws {EngineError} ENGINE_ERR_EDIT_REFUSED, ENGINE_ERR_PATH_UNKNOWN, ENGINE_ERR_PATH_ESCAPES with `details.edit`,
 * the place of the edit that cannot be; nothing is written then.
 */
export function editTree(
  baseTreePath: string | null,
  edits: readonly TreeEdit[],
  outTreePath: string,
): Promise<TreeSummary> {
  return guardedAsync(() => engine().editTree(baseTreePath, JSON.stringify(edits), outTreePath))
}

/** Checks edits as far as they can be without a tree. @throws {EngineError} as `editTree`. */
export function checkEdits(edits: readonly EditRequest[]): void {
  guarded(() => engine().checkEdits(JSON.stringify(edits.map((edit) => ({ ...edit, atNs: '0' })))))
}

/** Compares a tree whose files need not be here with the shadow's, as a scan does. */
export function compareTrees(treePath: string, shadowTreePath: string | null): Promise<ScanResult> {
  return guardedAsync(() => engine().compareTrees(treePath, shadowTreePath))
}

/**
 * The length and digest of a file, found on threads of its own; with `sync` it is durable when this settles.
 * @throws {EngineError} ENGINE_ERR_FILE_CHANGING: its length changed meanwhile.
 */
export function digestFile(path: string, { sync }: { readonly sync: boolean }): Promise<FileDigest> {
  return guardedAsync(() => engine().digestFile(path, sync))
}

/** Makes all that was written to a directory's file system durable, once for any number of files. */
export function syncFileSystem(directory: string): Promise<void> {
  return guardedAsync(() => engine().syncFileSystem(directory))
}
