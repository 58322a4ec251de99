// In: nothing; these are words. Out: what routes ask of uploads.
// Never: code that runs.
import type { Readable } from 'node:stream'
import type { BlobBody, BlobView, LooseView, MissingPage, UploadView } from '../../model/upload.js'

/** What routes ask of uploads; ENGINE_ERR_UPLOAD_UNKNOWN for an id nobody knows. */
export interface UploadsDoor {
  /** Takes a manifest in; the same tree for the same site is the same upload. */
  create(site: string, body: Readable): Promise<UploadView>
  list(): readonly UploadView[]
  /** Contents that no upload names, by site. */
  loose(): Promise<readonly LooseView[]>
  /** Drops contents of a site that no upload names and no job needs; tells what went. */
  dropLoose(site: string): Promise<LooseView>
  get(id: string): Promise<UploadView>
  /** Contents that are missing, ascending by digest. */
  missing(id: string, after: string | null, limit: number): Promise<MissingPage>
  blob(id: string, digest: string): Promise<BlobView>
  /** Takes bytes of a content; when all of it is here it was hashed, and counts. */
  putBlob(id: string, digest: string, sent: BlobBody): Promise<BlobView>
  /** Takes a content of unknown length and digest; `check` may refuse it when it has ended. */
  putContent(site: string, body: Readable, check?: () => void): Promise<BlobView>
  /** Everything was sent: it is durable when this answers. */
  complete(id: string): Promise<UploadView>
  drop(id: string): Promise<void>
}
