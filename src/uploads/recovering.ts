import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { toEngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { treeHash } from '../native/content.js'
import { partOf, type UploadPaths, uploadOf } from './paths.js'
import type { SiteBlobs } from './site-blobs.js'
import { Upload } from './upload.js'

export interface Recovery {
  readonly paths: UploadPaths
  readonly blobs: SiteBlobs
  readonly site: string
  readonly clock: Clock
  readonly log: Logger
}

/** The uploads of a site as an earlier life left them; what belongs to none of them goes, other names stay. */
export async function recoverSite(recovery: Recovery): Promise<readonly Upload[]> {
  const { paths, site } = recovery
  for (const name of await readdir(paths.incoming(site, ''))) await rm(paths.incoming(site, name))
  const uploads = new Map<string, Upload>()
  for (const name of await readdir(paths.open(site))) {
    const id = uploadOf(name)
    const upload = id === null ? null : await recoverUpload(recovery, id)
    if (upload !== null) uploads.set(upload.id, upload)
  }
  for (const name of await readdir(paths.parts(site))) {
    const part = partOf(name)
    if (part === null) continue
    const path = join(paths.parts(site), name)
    const upload = uploads.get(part.id)
    if (upload === undefined) await rm(path, { force: true })
    else upload.parts.set(part.digest, (await stat(path)).size)
  }
  for (const upload of uploads.values()) await upload.load()
  return [...uploads.values()]
}

async function recoverUpload({ paths, blobs, site, clock, log }: Recovery, id: string): Promise<Upload | null> {
  const treePath = paths.tree(site, id)
  try {
    const summary = await treeHash(treePath)
    const isComplete = (await stat(paths.complete(site, id)).catch(() => null)) !== null
    const { mtimeMs, birthtimeMs } = await stat(treePath)
    const touchedAtMs = Math.floor(mtimeMs)
    // Some file systems know no birth and say 0, or later than what was written.
    const openedAtMs = birthtimeMs > 0 ? Math.min(Math.floor(birthtimeMs), touchedAtMs) : touchedAtMs
    const facts = { id, site, summary, isComplete, openedAtMs, touchedAtMs }
    return new Upload(paths, blobs, facts, clock.monotonicMs())
  } catch (error) {
    log.warn({ err: toEngineError(error), site, uploadId: id }, 'an upload cannot be read and is dropped')
    await rm(treePath, { force: true })
    return null
  }
}

/** Whether the machine was started anew since this was asked last; the first time it was not. */
export async function isOtherBoot(paths: UploadPaths): Promise<boolean> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown')
  const before = await readFile(paths.boot, 'utf8').catch(() => null)
  if (before !== boot) await writeFile(paths.boot, boot, { mode: 0o600 })
  return before !== null && before !== boot
}

/** Reads contents again that may not be durable; uploads want those anew that were lost. */
export async function verifyAgain(
  sites: ReadonlyMap<string, Promise<SiteBlobs>>,
  uploads: ReadonlyMap<string, Upload>,
  log: Logger,
): Promise<void> {
  for (const [site, opening] of sites) {
    const sure = [...uploads.values()].filter((upload) => upload.isComplete && upload.site === site)
    const isSure = (digest: string): boolean => sure.some((upload) => upload.sizeOf(digest) !== null)
    const dropped = await (await opening).verify(isSure)
    if (dropped === 0) continue
    for (const upload of uploads.values()) if (upload.site === site) await upload.load()
    log.warn({ site, dropped }, 'contents of uploads were lost and are wanted again')
  }
}
