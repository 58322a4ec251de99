// In: a data directory. Out: the proof that this process alone owns it, and what its file system can do.
// Never: a lock that outlives the process.
import { guarded, guardedAsync } from './fault.js'
import { engine } from './load.js'

/** Held while this process owns a data directory; the kernel lets go of it when the process dies. */
export interface DirectoryLock {
  /** Idempotent. */
  release(): void
}

/** What the doctor tells of a directory. */
export interface StorageProbe {
  /** Steps can be kept beneath a root by the kernel. */
  readonly openat2: boolean
  /** Unchanged files can share their blocks (FICLONE). */
  readonly reflink: boolean
  readonly freeBytes: number
  /** `ext4`, `btrfs` …; the magic number in hexadecimal when it has no name here. */
  readonly fileSystem: string
  readonly writable: boolean
}

/**
 * Takes `<path>/engine.lock` for this process; the directory must exist.
 * @throws {EngineError} ENGINE_ERR_DATA_DIR_IN_USE with the owner's pid, ENGINE_ERR_DATA_DIR_UNWRITABLE.
 */
export function lockDirectory(path: string): DirectoryLock {
  return guarded(() => engine().lockDirectory(path))
}

/** Tries what the engine needs of a directory's file system, leaving nothing behind. */
export function probeStorage(directory: string): Promise<StorageProbe> {
  return guardedAsync(() => engine().probeStorage(directory))
}
