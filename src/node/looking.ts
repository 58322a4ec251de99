// What people look at of a node, outside of any job.
// In: where to look. Out: what is on disk there, and bytes of files on their way to who asked.
// Never: anything but releases of sites, a link followed, a byte of a file that changed, a file in memory.
import { EngineError, toEngineError } from '../base/errors.js'
import { FILES_SENT_AT_ONCE_MAX, LOOKS_AT_ONCE_MAX } from '../base/file-limits.js'
import type { Logger } from '../base/log.js'
import type { FromNode, Look, Send } from '../control/schema/channel.js'
import type { FileEntry, FileView } from '../model/file.js'
import type * as native from '../native/looking.js'
import type { Seen } from '../native/looking.js'
import { closeFile, piecesOf } from './bringing.js'
import type { NodePaths } from './paths.js'

/** The disk as it is looked at. */
export interface Eyes extends Pick<typeof native, 'lookAt' | 'listAt' | 'openAt' | 'publishedAt'> {
  readonly readLive: (siteDirectory: string) => number | null
  readonly listReleases: (siteDirectory: string) => readonly number[]
}

export interface LooksOptions {
  readonly paths: NodePaths
  readonly eyes: Eyes
  readonly log: Logger
  /** @returns false when no coordinator is there. */
  readonly send: (message: FromNode) => boolean
  /** Brings a body to the coordinator; settles when it has all of it. */
  readonly bring: (transferId: string, pieces: AsyncIterable<Buffer>, signal: AbortSignal) => Promise<void>
}

type Found = Omit<FileView, 'node' | 'site'>

const versionOf = ({ inode, sizeBytes, mtimeNs }: Seen): string => `${inode}-${sizeBytes}-${mtimeNs}`

const entryOf = (seen: Seen): FileEntry => {
  const { name, kind, mode, sizeBytes, mtimeNs, target } = seen
  return { name, kind, mode: mode.toString(8), sizeBytes, mtimeNs, target, digest: null, version: null }
}

/** Questions about what this node has on disk, and files on their way out. */
export class Looks {
  readonly #options: LooksOptions
  readonly #closing = new AbortController()
  readonly #working = new Set<Promise<void>>()
  #looking = 0
  #sending = 0

  constructor(options: LooksOptions) {
    this.#options = options
  }

  /** Answers with what is there. */
  look(order: Look): void {
    const { lookId } = order
    const answer = (found: Found | null, error: unknown): void => {
      const told = error === null ? null : toEngineError(error).toReport()
      this.#options.send({ type: 'looked', lookId, found: found as never, error: told })
    }
    if (this.#looking >= LOOKS_AT_ONCE_MAX) {
      answer(null, new EngineError('ENGINE_ERR_OVERLOADED', { what: 'questions about files' }))
      return
    }
    this.#looking += 1
    this.#track(
      this.#find(order)
        .then(
          (found) => answer(found, null),
          (error: unknown) => answer(null, error),
        )
        .finally(() => {
          this.#looking -= 1
        }),
    )
  }

  /** Brings bytes of a file to the coordinator; what keeps it from that is told. */
  send(order: Send): void {
    const { log, send } = this.#options
    const { transferId, site, release } = order
    const fail = (error: unknown): void => {
      const known = toEngineError(error)
      log.warn({ err: known, site, release, transferId }, 'a file was not sent')
      send({ type: 'unsent', transferId, error: known.toReport() })
    }
    if (this.#sending >= FILES_SENT_AT_ONCE_MAX) {
      fail(new EngineError('ENGINE_ERR_OVERLOADED', { what: 'files to send' }))
      return
    }
    this.#sending += 1
    this.#track(
      this.#bring(order)
        .catch(fail)
        .finally(() => {
          this.#sending -= 1
        }),
    )
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
    await Promise.all(this.#working)
  }

  #track(work: Promise<void>): void {
    this.#working.add(work)
    void work.finally(() => this.#working.delete(work))
  }

  async #find({ site, release: asked, path, list }: Look): Promise<Found> {
    const { paths, eyes } = this.#options
    const release = this.#release(site, asked)
    const directory = paths.release(site, release)
    const seen = await eyes.lookAt(directory, path)
    if (list === null || seen.kind !== 'dir') {
      return { release, entry: await this.#single(site, release, path, seen), entries: null, next: null }
    }
    const { entries, more } = await eyes.listAt(directory, path, list.after, list.limit)
    const next = more ? (entries.at(-1)?.name ?? null) : null
    return { release, entry: entryOf(seen), entries: entries.map(entryOf), next }
  }

  /** Of one file it is also told what it should be: where it looks as published, by its digest. */
  async #single(site: string, release: number, path: string, seen: Seen): Promise<FileEntry> {
    const entry = entryOf(seen)
    if (seen.kind !== 'file') return entry
    const { paths, eyes } = this.#options
    const published = await eyes.publishedAt(paths.tree(site, release), path).catch(() => null)
    const isAsPublished = published?.sizeBytes === seen.sizeBytes && published.mtimeNs === seen.mtimeNs
    return { ...entry, digest: isAsPublished ? published.digest : null, version: versionOf(seen) }
  }

  async #bring({ transferId, site, release: asked, path, version, offset, lengthBytes }: Send): Promise<void> {
    const { paths, eyes, bring } = this.#options
    const directory = paths.release(site, this.#release(site, asked))
    const { fd, entry } = await eyes.openAt(directory, path)
    const { sizeBytes, mtimeNs } = entry
    try {
      if (versionOf(entry) !== version || offset + lengthBytes > sizeBytes) {
        throw new EngineError('ENGINE_ERR_FILE_CHANGED', { path })
      }
      const pieces = piecesOf({ fd, path, sizeBytes, mtimeNs, offset, lengthBytes })
      await bring(transferId, pieces, this.#closing.signal)
    } finally {
      await closeFile(fd)
    }
  }

  /** A release that is held whole. */
  #release(site: string, asked: number | null): number {
    const { paths, eyes } = this.#options
    const directory = paths.site(site)
    const release = asked ?? eyes.readLive(directory)
    if (release === null) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
    if (!eyes.listReleases(directory).includes(release)) {
      throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release })
    }
    return release
  }
}
