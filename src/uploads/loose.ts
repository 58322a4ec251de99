import { UPLOAD_LOOKS_A_TURN } from '../base/upload-limits.js'
import type { LooseView } from '../model/upload.js'
import type { SiteBlobs } from './site-blobs.js'
import type { Upload } from './upload.js'

/** What the contents of sites are held against. */
export interface LooseOptions {
  readonly uploads: Iterable<Upload>
  /** Whether an upload, or a job, needs a content at this moment. */
  readonly isNeeded: (site: string, digest: string) => boolean
  /** Lets others have their turn. */
  readonly turn: () => Promise<void>
}

/** Contents of a site that none of these uploads names. */
async function* looseIn(site: string, blobs: SiteBlobs, options: LooseOptions): AsyncGenerator<string> {
  const own = [...options.uploads].filter((upload) => upload.site === site)
  let looks = 0
  for (const digest of blobs.digests) {
    looks += 1
    if (looks % UPLOAD_LOOKS_A_TURN === 0) await options.turn()
    if (own.every((upload) => upload.sizeOf(digest) === null)) yield digest
  }
}

/**
 * Drops contents of a site that nothing needs, all or those that are due; tells what went. Who needs one is asked last:
 * a manifest may have come meanwhile.
 */
export async function dropLoose(
  site: string,
  blobs: SiteBlobs,
  options: LooseOptions,
  isDue: (digest: string) => Promise<boolean> = async () => true,
): Promise<LooseView> {
  let [contentCount, totalBytes] = [0, 0]
  for await (const digest of looseIn(site, blobs, options)) {
    const sizeBytes = blobs.sizeOf(digest) ?? 0
    if (!(await isDue(digest)) || options.isNeeded(site, digest)) continue
    await blobs.drop(digest)
    contentCount += 1
    totalBytes += sizeBytes
  }
  return { site, contentCount, totalBytes }
}

/** Contents that none of these uploads names, by site; sites without such are left out. */
export async function looseOf(
  sites: ReadonlyMap<string, Promise<SiteBlobs>>,
  options: LooseOptions,
): Promise<readonly LooseView[]> {
  const found: LooseView[] = []
  for (const [site, opening] of sites) {
    const blobs = await opening
    let [contentCount, totalBytes] = [0, 0]
    for await (const digest of looseIn(site, blobs, options)) {
      contentCount += 1
      totalBytes += blobs.sizeOf(digest) ?? 0
    }
    if (contentCount > 0) found.push({ site, contentCount, totalBytes })
  }
  return found.toSorted((a, b) => (a.site < b.site ? -1 : 1))
}
