import { readFile, rm } from 'node:fs/promises'
import type { HeldRelease } from '../native/content.js'
import { writeWanted } from '../native/uploads.js'
import type { SiteBlobs } from './site-blobs.js'
import { WantedList } from './wanted.js'

/** A content of a tree that neither releases that are held nor a site's contents have; null: they have all. */
export async function lacking(
  treePath: string,
  held: readonly HeldRelease[],
  blobs: SiteBlobs,
): Promise<string | null> {
  const path = `${treePath}.wanted`
  try {
    const trees = held.map((release) => release.treePath)
    await writeWanted(treePath, trees, path)
    const wanted = new WantedList(await readFile(path))
    for (let place = 0; place < wanted.count; place++) {
      const digest = wanted.digestAt(place)
      if (blobs.sizeOf(digest) !== wanted.sizeAt(place)) return digest
    }
    return null
  } finally {
    await rm(path, { force: true })
  }
}
