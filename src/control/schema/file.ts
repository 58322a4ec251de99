import { z } from 'zod'
import {
  FILE_PAGE_MAX,
  FILE_PATH_CHARS_MAX,
  FILE_VERSION_CHARS_MAX,
  LINK_TARGET_CHARS_MAX,
} from '../../base/file-limits.js'
import { REASON_CHARS_MAX } from '../../base/limits.js'
import { type FileEntry, fileKinds, type FilePaging, type FileView } from '../../model/file.js'
import { count, identity, name, named, release, treeHash } from './registry.js'

/** A path as text. What it may be is decided where it is used, beneath the release's directory. */
export const filePath: z.ZodString = z.string().max(FILE_PATH_CHARS_MAX)
const version = z.string().max(FILE_VERSION_CHARS_MAX)

export const fileEntry: z.ZodType<FileEntry> = named(
  'FileEntry',
  z.object({
    name: filePath.describe('%XX stands for any byte. "" is the release itself.'),
    kind: z.enum(fileKinds),
    mode: z.string().regex(/^[0-7]{1,4}$/),
    sizeBytes: count,
    mtimeNs: z
      .string()
      .regex(/^-?\d{1,20}$/)
      .describe('Nanoseconds since 1970.'),
    target: z.string().max(LINK_TARGET_CHARS_MAX).nullable().describe('Of a link; it is never followed.'),
    digest: treeHash
      .nullable()
      .describe('Of one file: BLAKE3 of what was published, if size and time are as published.'),
    version: version.nullable().describe('Of one file: names its bytes, in ETag too.'),
  }),
)

export const fileView: z.ZodType<FileView> = named(
  'FileView',
  z.object({
    node: name,
    site: name,
    release,
    entry: fileEntry,
    entries: z.array(fileEntry).max(FILE_PAGE_MAX).nullable().describe('A page of a directory.'),
    next: filePath.nullable().describe('Ask with `after` for the next page; null: that was all.'),
  }),
)

/** Bytes of a file, for the description of the API: no schema looks at them. */
export const fileBytes: z.ZodType = z.unknown().describe('Bytes.')

/** What a node found. */
export const foundFile: z.ZodType<Omit<FileView, 'node' | 'site'>> = z.object({
  release,
  entry: fileEntry,
  entries: z.array(fileEntry).max(FILE_PAGE_MAX).nullable(),
  next: filePath.nullable(),
})

export const filePaging: z.ZodType<FilePaging> = z.object({
  after: filePath.nullable(),
  limit: z.number().int().min(1).max(FILE_PAGE_MAX),
})

/** Where on a node. */
export const filePlace = z.object({ site: name, release: release.nullable(), path: filePath })
export const fileFetch = z.object({
  ...{ transferId: identity, site: name, release, path: filePath, version },
  offset: count,
  lengthBytes: count,
})

/** The path of `/v1/nodes/:name/files/:site/*`. */
export const fileParams: z.ZodType<{ readonly name: string; readonly site: string; readonly '*': string }> =
  z.strictObject({ name, site: name, '*': filePath })
export const fileRootParams: z.ZodType<{ readonly name: string; readonly site: string }> = z.strictObject({
  name,
  site: name,
})

/** The path of `/v1/sites/:site/files/*`. */
export const siteFileParams: z.ZodType<{ readonly site: string; readonly '*': string }> = z.strictObject({
  site: name,
  '*': filePath,
})

/** Of a file or directory, octal. */
export const fileMode: z.ZodString = z.string().regex(/^[0-7]{1,4}$/, 'octal digits')
export const fileTimeNs: z.ZodString = z.string().regex(/^-?\d{1,19}$/, 'a whole number of nanoseconds')
const isSaid = z.enum(['', 'true']).optional()
const reason = z.string().max(REASON_CHARS_MAX).optional().describe('Why, kept with the job.')
const stageOnly = isSaid.describe('Bring it everywhere, but leave the commit to another request.')

export const filePutQuery = z.strictObject({
  mode: fileMode.optional().describe('Default: that of the file that is there, else 644.'),
  mtimeNs: fileTimeNs.optional().describe('Nanoseconds since 1970; default: now.'),
  parents: isSaid.describe('Make the directories above it that are missing.'),
  group: name.optional().describe('Needed for the first release of a site.'),
  ...{ reason, stageOnly },
})
export const fileRemoveQuery = z.strictObject({
  recursive: isSaid.describe('A directory and all below it.'),
  maxDeleteRatio: z
    .string()
    .regex(/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/, 'a share from 0 to 1, such as 0.5')
    .optional()
    .describe('What is refused beyond this share of the live files.'),
  allowEmpty: isSaid.describe('The last file of the site may go.'),
  ...{ reason, stageOnly },
})

export interface FileQuery {
  readonly release?: number | undefined
  readonly stat?: unknown
  readonly list?: unknown
  readonly after?: string | undefined
  readonly limit: number
}

export const fileQuery: z.ZodType<FileQuery> = z.strictObject({
  release: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().describe('Default: the live one.'),
  stat: z.enum(['', 'true']).optional().describe('Only what it is, also of a file or a directory.'),
  list: z.enum(['', 'true']).optional().describe('Never the bytes of a file, but what it is.'),
  after: filePath.optional(),
  limit: z.coerce.number().int().min(1).max(FILE_PAGE_MAX).default(FILE_PAGE_MAX),
})

export const transferParams: z.ZodType<{ readonly id: string }> = z.strictObject({ id: identity })
