import type { LooseView } from '../model/upload.js'
import type { SiteBlobs } from './site-blobs.js'
import type { Upload } from './upload.js'

/** Contents that none of these uploads names, by site; sites without such are left out. */
export async function looseOf(
  sites: ReadonlyMap<string, Promise<SiteBlobs>>,
  uploads: readonly Upload[],
): Promise<readonly LooseView[]> {
  const found: LooseView[] = []
  for (const [site, opening] of sites) {
    const blobs = await opening
    const own = uploads.filter((upload) => upload.site === site)
    const loose = blobs.digests.filter((digest) => own.every((upload) => upload.sizeOf(digest) === null))
    if (loose.length === 0) continue
    const totalBytes = loose.reduce((bytes, digest) => bytes + (blobs.sizeOf(digest) ?? 0), 0)
    found.push({ site, contentCount: loose.length, totalBytes })
  }
  return found.toSorted((a, b) => (a.site < b.site ? -1 : 1))
}
