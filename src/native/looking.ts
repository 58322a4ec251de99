// In: a release's directory and a path below it, as text with %XX for any byte. Out: what is there on disk.
// Never: a link followed, something outside the directory, a wait on libuv's threads.
import type { FileKind } from '../model/file.js'
import { guardedAsync } from './fault.js'
import { engine } from './load.js'

/** An entry as it is on disk. */
export interface Seen {
  readonly name: string
  readonly kind: FileKind
  /** Permission bits. */
  readonly mode: number
  readonly sizeBytes: number
  /** Nanoseconds since 1970, in decimal digits. */
  readonly mtimeNs: string
  readonly inode: string
  readonly target: string | null
}

export interface SeenPage {
  /** Ascending by the bytes of their names. */
  readonly entries: readonly Seen[]
  readonly more: boolean
}

/** What a manifest says of a file. */
export interface PublishedFile {
  readonly sizeBytes: number
  readonly mtimeNs: string
  readonly digest: string
}

/**
 * One entry of a release.
 * @throws {EngineError} ENGINE_ERR_PATH_UNKNOWN, ENGINE_ERR_PATH_ESCAPES when the path leads through a link or is none,
 * ENGINE_ERR_INVALID_ARGUMENT when an escape is none. So do the others.
 */
export function lookAt(directory: string, path: string): Promise<Seen> {
  return guardedAsync(() => engine().lookAt(directory, path))
}

/** At most `limit` entries of a directory, those after `after`. @throws {EngineError} ENGINE_ERR_NOT_A_DIRECTORY. */
export function listAt(directory: string, path: string, after: string | null, limit: number): Promise<SeenPage> {
  return guardedAsync(() => engine().listAt(directory, path, after, limit))
}

/** Opens a regular file; whoever gets the descriptor closes it. @throws {EngineError} ENGINE_ERR_NOT_A_FILE. */
export function openAt(directory: string, path: string): Promise<{ readonly fd: number; readonly entry: Seen }> {
  return guardedAsync(() => engine().openAt(directory, path))
}

/** What a manifest says of a file; null when it has no such file. Reads the manifest. */
export function publishedAt(treePath: string, path: string): Promise<PublishedFile | null> {
  return guardedAsync(() => engine().publishedAt(treePath, path))
}
