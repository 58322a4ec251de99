import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../base/directories.js'
import { toEngineError } from '../base/errors.js'
import { treeHash } from '../native/content.js'
import { pruneReleases, readLive, removeStream } from '../native/sites.js'

/** What is asked of a disk about the releases on it. Paths are absolute. */
export interface SiteDisk {
  /** Names in a directory; none when it is not there. @throws {EngineError} what the file system refuses. */
  namesIn(directory: string): Promise<readonly string[]>
  isDirectory(path: string): Promise<boolean>
  makeDirectories(paths: readonly string[]): Promise<void>
  /** Gives a directory another name beside it, durable when it settles. */
  moveAside(path: string, aside: string): Promise<void>
  /** Nothing happens when it is not there. */
  removeFile(path: string): Promise<void>
  /** Removes a stream's file and its parcels, as far as they are there; their other names stay. */
  removeStream(path: string): Promise<void>
  /** The tree's hash by its manifest. Rejects when that is not there or not whole. */
  manifestHash(treePath: string): Promise<string>
  /** The release that `<site>/live` points at; null: none. @throws {EngineError} when `live` is not ours. */
  linked(siteDirectory: string): number | null
  /** Removes releases of a site but those to keep, and stagings but those of `staging`. */
  prune(siteDirectory: string, keep: readonly number[], staging: readonly number[]): Promise<void>
}

/** The machine's disk. */
export const realDisk: SiteDisk = {
  async namesIn(directory) {
    return readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw toEngineError(error, { what: directory, path: directory })
    })
  },
  async isDirectory(path) {
    return stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
  },
  async makeDirectories(paths) {
    for (const path of paths) await mkdir(path, { recursive: true })
  },
  async moveAside(path, aside) {
    await rename(path, aside)
    await syncDirectory(dirname(path))
  },
  async removeFile(path) {
    await rm(path, { force: true })
  },
  removeStream,
  async manifestHash(treePath) {
    return (await treeHash(treePath)).treeHash
  },
  linked: (siteDirectory) => readLive(siteDirectory),
  async prune(siteDirectory, keep, staging) {
    await pruneReleases(siteDirectory, keep, staging)
  },
}
