import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from '../base/errors.js'
import { digestFile } from '../native/uploads.js'
import { isDigest, type UploadPaths } from './paths.js'

/** The whole contents that one site's uploads have brought, by digest. */
export class SiteBlobs {
  readonly #paths: UploadPaths
  readonly #site: string
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  private constructor(paths: UploadPaths, site: string) {
    this.#paths = paths
    this.#site = site
  }

  /** Finds what an earlier life left; names that are not ours stay where they are and count for nothing. */
  static async open(paths: UploadPaths, site: string): Promise<SiteBlobs> {
    const blobs = new SiteBlobs(paths, site)
    for (const folder of paths.folders(site)) await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(paths.blobs(site))) {
      if (isDigest(name)) blobs.#count(name, (await stat(paths.blob(site, name))).size)
    }
    return blobs
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes
  }

  get digests(): readonly string[] {
    return [...this.#sizes.keys()]
  }

  sizeOf(digest: string): number | null {
    return this.#sizes.get(digest) ?? null
  }

  /** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT for a content that is here and has another size. */
  requireSize(digest: string, sizeBytes: number): void {
    const haveBytes = this.sizeOf(digest) ?? sizeBytes
    if (haveBytes === sizeBytes) return
    const facts = { what: `the size of content ${digest}`, why: `it has ${haveBytes} bytes, not ${sizeBytes}` }
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts)
  }

  /** Takes a file in as a content whose digest is known to be right; it has its name when this settles. */
  async take(path: string, digest: string, sizeBytes: number): Promise<void> {
    await rename(path, this.#paths.blob(this.#site, digest))
    this.#count(digest, sizeBytes)
  }

  /** Drops a content. */
  async drop(digest: string): Promise<void> {
    const sizeBytes = this.#sizes.get(digest)
    if (sizeBytes === undefined) return
    this.#sizes.delete(digest)
    this.#bytes -= sizeBytes
    await rm(this.#paths.blob(this.#site, digest), { force: true })
  }

  /** A content is wanted again: its age begins anew. */
  async touch(digest: string, nowMs: number): Promise<void> {
    await utimes(this.#paths.blob(this.#site, digest), nowMs / 1000, nowMs / 1000).catch(() => {})
  }

  /** When a content came, or was last wanted. */
  async touchedAtMs(digest: string): Promise<number> {
    const found = await stat(join(this.#paths.blobs(this.#site), digest)).catch(() => null)
    return found?.mtimeMs ?? 0
  }

  /** Reads contents again and drops those that are not what their names say. Gives how many those were. */
  async verify(isSure: (digest: string) => boolean): Promise<number> {
    let dropped = 0
    for (const digest of this.digests.filter((each) => !isSure(each))) {
      const found = await digestFile(this.#paths.blob(this.#site, digest), { sync: false }).catch(() => null)
      if (found?.digest === digest) continue
      await this.drop(digest)
      dropped += 1
    }
    return dropped
  }

  #count(digest: string, sizeBytes: number): void {
    this.#bytes += sizeBytes - (this.#sizes.get(digest) ?? 0)
    this.#sizes.set(digest, sizeBytes)
  }
}
