// In: files of a node. Out: the same on this machine, with mode and time, whole or not at all.
// Never: a name that leaves the directory it was to go to, a link followed, a half file under its name.
import { constants } from 'node:fs'
import { chmod, type FileHandle, lstat, mkdir, open, rename, rm, stat, symlink, utimes } from 'node:fs/promises'
import type { Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { FILES_FETCHED_AT_ONCE } from '../base/file-limits.js'
import type { FileAt, FilesApi } from '../control/door/files.js'
import type { FileRead } from '../control/files-client.js'
import { piecesOfBody } from '../control/body.js'
import { etagOf, type FileEntry, type FileView } from '../model/file.js'
import { bytesOf } from '../model/file-name.js'
import { blake3 } from '../native/keys.js'
import { digestFile } from '../native/uploads.js'
import { persist } from './persisting.js'

const SLASH = 0x2f
const NS_PER_MS = 1_000_000n
const PART_NAME_CHARS = 40
/** What a file system takes as one name. */
const NAME_BYTES_MAX = 255

export interface FetchingOptions {
  readonly files: FilesApi
  readonly read: (read: FileRead) => Promise<ReadableStream<Uint8Array> | null>
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What came of fetching. */
export interface Fetched {
  readonly files: number
  readonly bytes: number
  /** Files that were here already, whole. */
  readonly present: number
  /** Names of what is neither file, directory nor link. */
  readonly skipped: readonly string[]
}

/** The name of an entry as this machine's; a coordinator's word on names is not taken. */
function localName(name: string): Buffer {
  const bytes = Buffer.from(bytesOf(name))
  const text = bytes.toString('latin1')
  if (bytes.length === 0 || bytes.includes(SLASH) || bytes.includes(0) || text === '.' || text === '..') {
    throw new EngineError('ENGINE_ERR_PATH_ESCAPES', { path: name })
  }
  return bytes
}

const inside = (directory: Buffer, name: string): Buffer =>
  Buffer.concat([directory, Buffer.from('/'), localName(name)])

const below = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`)

/** A name beside a file: its own and a suffix, or what stands for its own where that is too long for it. */
function beside(local: Buffer, suffix: string): Buffer {
  const cut = local.lastIndexOf(SLASH) + 1
  const name = local.subarray(cut)
  const isRoom = name.length + suffix.length <= NAME_BYTES_MAX
  const own = isRoom ? name : Buffer.from(blake3(name).slice(0, PART_NAME_CHARS))
  return Buffer.concat([local.subarray(0, cut), own, Buffer.from(suffix)])
}

/** A time as it is set here, in seconds; one before 1970 only a Date stands for, which knows milliseconds. */
const timeOf = (mtimeNs: string): number | Date => {
  const ns = BigInt(mtimeNs)
  return ns < 0n ? new Date(Number(ns / NS_PER_MS)) : Number(ns / 1000n) / 1e6
}

const permissionsOf = (mode: string): number => Number.parseInt(mode, 8) & 0o777

/** Brings files of nodes to this machine. */
export class Fetching {
  readonly #options: FetchingOptions
  #files = 0
  #bytes = 0
  #present = 0
  readonly #skipped: string[] = []

  constructor(options: FetchingOptions) {
    this.#options = options
  }

  get outcome(): Fetched {
    return { files: this.#files, bytes: this.#bytes, present: this.#present, skipped: this.#skipped }
  }

  /**
   * Brings one file to `local`; where a part of it is beside that from an earlier try, it goes on there.
   * @throws {EngineError} ENGINE_ERR_NOT_A_FILE; ENGINE_ERR_FILE_CHANGED; ENGINE_ERR_FILE_DAMAGED when it is not what
   * was published; what looking and the disk refuse.
   */
  async file(view: FileView, path: string, local: Buffer): Promise<void> {
    const { entry } = view
    if (entry.kind !== 'file') throw new EngineError('ENGINE_ERR_NOT_A_FILE', { path, kind: entry.kind })
    if (await isHere(local, entry)) {
      this.#present += 1
      return
    }
    const identity = (entry.digest ?? entry.version ?? '').replaceAll(/[^0-9a-z-]/g, '').slice(0, PART_NAME_CHARS)
    const part = beside(local, `.${identity}.part`)
    const file = await open(part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    try {
      await this.#fill(file, view, path)
      if (entry.digest !== null && (await digestOf(file)) !== entry.digest) {
        await rename(part, beside(local, '.damaged'))
        throw new EngineError('ENGINE_ERR_FILE_DAMAGED', { path })
      }
      await file.chmod(permissionsOf(entry.mode))
      await file.utimes(this.#options.clock.nowMs() / 1000, timeOf(entry.mtimeNs))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(part, local)
    this.#files += 1
  }

  /** Brings a directory and all below it into `local`, which is made. */
  async tree(place: FileAt & { readonly release: number }, local: Buffer): Promise<void> {
    const { files, signal } = this.#options
    const path = place.path ?? ''
    const { entry: own } = await files.stat({ ...place, path })
    if (own.kind !== 'dir') throw new EngineError('ENGINE_ERR_NOT_A_DIRECTORY', { path, kind: own.kind })
    await makeDirectory(local)
    const folders: FileEntry[] = []
    const underWay = new Set<Promise<void>>()
    try {
      for await (const entry of files.list({ ...place, path })) {
        signal.throwIfAborted()
        if (entry.kind === 'dir') folders.push(entry)
        else {
          if (underWay.size >= FILES_FETCHED_AT_ONCE) await Promise.race(underWay)
          const work = this.#entry(place, below(path, entry.name), entry, inside(local, entry.name))
          underWay.add(work)
          void work.then(
            () => underWay.delete(work),
            () => {},
          )
        }
      }
      await Promise.all(underWay)
    } finally {
      await Promise.allSettled(underWay)
    }
    for (const { name } of folders) await this.tree({ ...place, path: below(path, name) }, inside(local, name))
    await chmod(local, permissionsOf(own.mode))
    await utimes(local, this.#options.clock.nowMs() / 1000, timeOf(own.mtimeNs))
  }

  async #entry(place: FileAt & { release: number }, path: string, entry: FileEntry, local: Buffer): Promise<void> {
    if (entry.kind === 'link') await makeLink(Buffer.from(bytesOf(entry.target ?? '')), local)
    else if (entry.kind === 'file') await this.file(await this.#options.files.stat({ ...place, path }), path, local)
    else this.#skipped.push(path)
  }

  /** Fills a file to its length, from where it stands on, however often that breaks off. */
  async #fill(file: FileHandle, view: FileView, path: string): Promise<void> {
    const { node, site, release, entry } = view
    const { read, clock, signal } = this.#options
    const etag = etagOf(entry)
    let { size: at } = await file.stat()
    if (at > entry.sizeBytes) {
      await file.truncate(0)
      at = 0
    }
    const failed = await persist({ clock, signal }, async (alive) => {
      if (at === entry.sizeBytes) return null
      try {
        const body = await read({ node, site, release, path, offset: at, etag, signal })
        for await (const piece of piecesOf(body, signal)) {
          await writeAll(file, piece, at)
          at += piece.length
          this.#bytes += piece.length
          alive()
        }
      } catch (error) {
        const known = toEngineError(error)
        // It will not be again what it was.
        if (known.code === 'ENGINE_ERR_FILE_CHANGED') return known
        throw known
      }
      return null
    })
    if (failed !== null) throw failed
    if (at !== entry.sizeBytes) throw new EngineError('ENGINE_ERR_FILE_CHANGED', { path })
  }
}

/** A write may take less than it is given. */
async function writeAll(file: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await file.write(piece, done, piece.length - done, position + done)).bytesWritten
  }
}

/** BLAKE3 of an open file, by its descriptor: the native side takes names as text, and not every name is. */
const digestOf = async ({ fd }: FileHandle): Promise<string> =>
  (await digestFile(`/proc/self/fd/${fd}`, { sync: false })).digest

/** Whether a file is here already as it is there. */
async function isHere(local: Buffer, { digest, sizeBytes, mtimeNs }: FileEntry): Promise<boolean> {
  const found = await lstat(local, { bigint: true }).catch(() => null)
  if (found === null || !found.isFile() || found.size !== BigInt(sizeBytes)) return false
  // What sets times here is exact to a microsecond or so, and cuts what is below.
  const offNs = found.mtimeNs - BigInt(mtimeNs)
  if (digest === null || offNs >= NS_PER_MS || offNs <= -NS_PER_MS) return false
  const file = await open(local, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => null)
  if (file === null) return false
  return digestOf(file)
    .then((own) => own === digest)
    .finally(() => file.close())
}

/** A directory that is there is taken; a link in its place is not followed. */
async function makeDirectory(path: Buffer): Promise<void> {
  await mkdir(path, { mode: 0o755 }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw toEngineError(error)
  })
}

async function makeLink(target: Buffer, path: Buffer): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (found?.isSymbolicLink()) await rm(path)
  await symlink(target, path)
}

/** Pieces of a body; one that breaks off is an error that passes. */
export async function* piecesOf(
  body: ReadableStream<Uint8Array> | null,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (body === null) return
  yield* piecesOfBody(body, signal, (reader) =>
    reader.read().catch((error: unknown) => {
      const why = 'the file broke off'
      throw new EngineError('ENGINE_ERR_COORDINATOR_UNREACHABLE', { url: 'the coordinator', why }, { cause: error })
    }),
  )
}

/** Where a file goes: into a directory under its own name, else where it was told. */
export async function placeOf(local: string, path: string): Promise<Buffer> {
  const isDirectory = await stat(local).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const name = path.split('/').at(-1) ?? ''
  return isDirectory ? inside(Buffer.from(local), name) : Buffer.from(local)
}
