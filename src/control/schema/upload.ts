import { z } from 'zod'
import { UPLOAD_PAGE_MAX } from '../../base/upload-limits.js'
import type { BlobView, LooseView, MissingPage, UploadView } from '../../model/upload.js'
import { count, identity, name, named, timeMs, treeHash } from './registry.js'

/** BLAKE3 of a content: 64 hexadecimal digits. */
const digest = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')

export const uploadView: z.ZodType<UploadView> = named(
  'Upload',
  z.object({
    id: identity,
    site: name,
    state: z.enum(['open', 'complete']).describe('complete: everything is here and durable.'),
    treeHash,
    fileCount: count,
    totalBytes: count,
    missingCount: count.describe('Contents that are still to be sent.'),
    missingBytes: count,
    openedAtMs: timeMs,
    touchedAtMs: timeMs.describe('When something of it came, or a job took it up, last.'),
    jobIds: z.array(z.string()).describe('Jobs that publish it, or wait for the rest of it.'),
    expiresAtMs: timeMs,
  }),
)

export const looseView: z.ZodType<LooseView> = named(
  'LooseContents',
  z.object({ site: name, contentCount: count, totalBytes: count }),
)

export const uploadList: z.ZodType<{ readonly items: readonly UploadView[]; readonly loose: readonly LooseView[] }> =
  named(
    'UploadList',
    z.object({
      items: z.array(uploadView),
      loose: z.array(looseView).describe('Contents that no upload names, by site; idle ones go.'),
    }),
  )

export const blobView: z.ZodType<BlobView> = named(
  'Blob',
  z.object({ digest, sizeBytes: count, haveBytes: count.describe('Where to go on.') }),
)

export const missingPage: z.ZodType<MissingPage> = named(
  'MissingPage',
  z.object({ items: z.array(blobView), next: z.string().nullable().describe('`after` of the next page.') }),
)

/** One line of a manifest, for the description of the API: the native side reads them. */
named(
  'ManifestEntry',
  z.object({
    path: z.string().describe('Relative; %XX stands for any byte but NUL and the slash. "" is the root.'),
    kind: z.enum(['file', 'dir', 'link']),
    mode: z.string().optional().describe('Octal digits; 644 and 755 when left out.'),
    mtimeNs: z.string().describe('Nanoseconds since 1970, a whole number in quotes.'),
    sizeBytes: count.optional().describe('Of a file.'),
    digest: digest.optional().describe('Of a file: BLAKE3 of its content.'),
    target: z.string().optional().describe('Of a link; %XX stands for any byte but NUL.'),
  }),
)

/** `?site=` of a POST to /v1/uploads. */
export const uploadQuery: z.ZodType<{ readonly site: string }> = z.strictObject({ site: name })

/** `?after=&limit=` of what is missing. */
export const missingQuery: z.ZodType<{ readonly after?: string | undefined; readonly limit: number }> = z.strictObject({
  after: digest.optional(),
  limit: z.coerce.number().int().min(1).max(UPLOAD_PAGE_MAX).default(UPLOAD_PAGE_MAX),
})

export const uploadParams: z.ZodType<{ readonly id: string }> = z.strictObject({ id: identity })
export const blobParams: z.ZodType<{ readonly id: string; readonly digest: string }> = z.strictObject({
  id: identity,
  digest,
})
export const siteParams: z.ZodType<{ readonly site: string }> = z.strictObject({ site: name })

/** Bodies that are streamed and that no schema checks, as the description of the API has them. */
export const streamedBodies: Readonly<Record<string, { readonly method: string; readonly content: object }>> = {
  '/v1/uploads': {
    method: 'post',
    content: { 'application/x-ndjson': { schema: { $ref: '#/components/schemas/ManifestEntry' } } },
  },
  '/v1/uploads/{id}/blobs/{digest}': { method: 'put', content: { 'application/octet-stream': {} } },
  '/v1/sites/{site}/blobs': { method: 'post', content: { 'application/octet-stream': {} } },
  '/v1/sites/{site}/files/{*}': { method: 'put', content: { 'application/octet-stream': {} } },
  '/v1/transfers/{id}': { method: 'put', content: { 'application/octet-stream': {} } },
}
