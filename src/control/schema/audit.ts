import { z } from 'zod'
import {
  AUDIT_FIELDS_MAX,
  AUDIT_PAGE_DEFAULT,
  AUDIT_PAGE_MAX,
  AUDIT_TEXT_CHARS_MAX,
  ERROR_CODE_CHARS_MAX,
  ID_CHARS_MAX,
} from '../../base/limits.js'
import { type AuditPage, type AuditRecord, auditKinds, auditOutcomes } from '../../model/audit.js'
import type { AuditQuery } from '../door.js'
import { count, named, timeMs } from './registry.js'

/** SHA-256: 64 hexadecimal digits. */
const hash = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')
const text = z.string().max(AUDIT_TEXT_CHARS_MAX + ID_CHARS_MAX)
const seq = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const request = z
  .record(text, z.union([text, z.number(), z.boolean(), z.null()]))
  .refine((fields) => Object.keys(fields).length <= AUDIT_FIELDS_MAX, 'too many fields')

export const auditRecord: z.ZodType<AuditRecord> = named(
  'AuditRecord',
  z.strictObject({
    seq: seq.describe('From 1, in the order in which calls were answered.'),
    kind: z.enum(auditKinds).describe('A call; the chain so far, signed; older records were dropped.'),
    atMs: timeMs.describe('When it was asked.'),
    actor: text.describe('Remote address, `embedded` or `coordinator`.'),
    action: text,
    subject: text,
    request: request.describe('What was asked, in short.'),
    outcome: z.enum(auditOutcomes),
    code: z.string().max(ERROR_CODE_CHARS_MAX).nullable().describe('Why it was refused.'),
    result: text.nullable().describe('Identity of what it made.'),
    prevHash: hash.describe('Hash of the record before; zeros before the first.'),
    hash: hash.describe('SHA-256 over all the rest; docs/guide/record.md says how.'),
  }),
)

export const auditPage: z.ZodType<AuditPage> = named(
  'AuditPage',
  z.object({ items: z.array(auditRecord), nextSinceSeq: seq.nullable().describe('To ask for the next page with.') }),
)

/** `?sinceSeq=&limit=` of GET /v1/audit. */
export const auditQuery: z.ZodType<AuditQuery> = z.strictObject({
  sinceSeq: z.coerce.number().pipe(count).default(0),
  limit: z.coerce.number().int().min(1).max(AUDIT_PAGE_MAX).default(AUDIT_PAGE_DEFAULT),
})
