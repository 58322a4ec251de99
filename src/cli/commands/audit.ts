import { createReadStream } from 'node:fs'
import { EngineError, toEngineError } from '../../base/errors.js'
import { AUDIT_LINE_CHARS_MAX, AUDIT_PAGE_MAX } from '../../base/limits.js'
import type { JobsApi } from '../../control/door/api.js'
import { auditRecord } from '../../control/schema/audit.js'
import { AuditCheck, type AuditHead, type AuditRecord, type AuditSummary } from '../../model/audit.js'
import type { Context } from '../context.js'
import { table } from '../output.js'
import { flag } from './flag.js'

/** All records after `sinceSeq`, page by page. */
async function* recordsOf(api: JobsApi, sinceSeq: number): AsyncGenerator<AuditRecord> {
  let since: number | null = sinceSeq
  while (since !== null) {
    const { items, nextSinceSeq }: Awaited<ReturnType<JobsApi['audit']>> = await api.audit({
      sinceSeq: since,
      limit: AUDIT_PAGE_MAX,
    })
    yield* items
    since = nextSinceSeq
  }
}

/** A record as it is exported: one line of JSON, with its time as RFC 3339. */
export function exportLine(record: AuditRecord): string {
  const { seq, kind, atMs, actor, action, subject, request, outcome, code, result, prevHash, hash } = record
  const at = new Date(atMs).toISOString()
  return JSON.stringify({ seq, kind, at, actor, action, subject, request, outcome, code, result, prevHash, hash })
}

/** Reads a line of an export. Null unless it is, byte for byte, what a record is exported as. */
export function readExportLine(line: string): AuditRecord | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  const { at, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const read = auditRecord.safeParse({ ...rest, atMs: typeof at === 'string' ? Date.parse(at) : null })
  if (!read.success) return null
  return exportLine(read.data) === line ? read.data : null
}

const seqOf = (text: string): number => {
  const seq = Number(text)
  if (Number.isSafeInteger(seq) && seq >= 0) return seq
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: 'write the number of a record' })
}

const headOf = (text: string): AuditHead => {
  const found = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (found !== null) return { seq: Number(found[1]), hash: found[2] ?? '' }
  const why = 'write it as `engine audit verify` prints it: 42:64 hexadecimal digits'
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why })
}

const keyOf = (text: string): string => {
  if (/^[0-9a-f]{64}$/.test(text)) return text
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: 'write 64 hexadecimal digits' })
}

const row = (record: AuditRecord): string[] => [
  String(record.seq),
  new Date(record.atMs).toISOString(),
  record.actor,
  record.action,
  record.subject,
  record.code ?? record.outcome,
  record.kind === 'call' ? wordsOf(record) : '',
]

const wordsOf = ({ result, request }: AuditRecord): string =>
  [result ?? '', ...Object.entries(request).map(([name, value]) => `${name}=${value}`)].join(' ').trim()

/** `engine audit ls`: who asked for which change, oldest first; with --json one record a line, to be kept. */
export async function list(context: Context, flags: { readonly since?: string }): Promise<number> {
  const since = flags.since === undefined ? 0 : flag('--since', flags.since, seqOf)
  const rows: string[][] = []
  for await (const record of recordsOf(await context.connect(), since)) {
    if (context.output.json) context.output.print(exportLine(record))
    else rows.push(row(record))
  }
  if (context.output.json) return 0
  if (rows.length === 0) context.output.note('no audit records')
  else {
    const head = ['SEQ', 'AT', 'ACTOR', 'ACTION', 'SUBJECT', 'OUTCOME', 'WHAT']
    for (const line of table(head, rows, context.output.dataColumns)) context.output.print(line)
  }
  return 0
}

export interface VerifyFlags {
  readonly file?: string
  readonly key?: string
  readonly expect?: string
}

/** Lines that end with a line feed and nothing else: texts of people may hold what other readers take for an end. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > AUDIT_LINE_CHARS_MAX) break
  }
  if (rest !== '') yield rest
}

/** Gives every line of an export to the check. @throws {EngineError} ENGINE_ERR_AUDIT_BROKEN, ENGINE_ERR_IO. */
async function checkFile(path: string, check: AuditCheck): Promise<void> {
  let lineNumber = 0
  try {
    for await (const line of linesOf(path)) {
      lineNumber += 1
      const record = readExportLine(line)
      if (record === null) {
        const { seq } = check.end().summary.head
        const why = `line ${lineNumber} is no record as \`engine audit ls --json\` writes it`
        throw new EngineError('ENGINE_ERR_AUDIT_BROKEN', { source: path, seq: seq + 1, why })
      }
      if (!check.take(record)) return
    }
  } catch (error) {
    throw toEngineError(error, { what: path, path })
  }
}

/** Has every record looked at. @returns what they were said to be of. */
async function walk(check: AuditCheck, from: { readonly api: JobsApi } | { readonly file: string }): Promise<string> {
  if ('file' in from) {
    await checkFile(from.file, check)
    return from.file
  }
  for await (const record of recordsOf(from.api, 0)) if (!check.take(record)) break
  return 'the coordinator'
}

function tell({ output }: Context, summary: AuditSummary, isKeyKnown: boolean): void {
  const { records, signedHeads, signedThroughSeq, head, publicKey } = summary
  if (output.json) {
    output.data({ type: 'result', status: 'success', ...summary })
    return
  }
  const heads = `${signedHeads} signed ${signedHeads === 1 ? 'head vouches' : 'heads vouch'}`
  const signed = signedHeads === 0 ? 'nothing is signed yet' : `${heads} for all up to ${signedThroughSeq}`
  output.print(`${records} records hold; ${signed}`)
  output.print(`newest ${head.seq}:${head.hash}`)
  if (publicKey === null) return
  output.print(`signed by ${publicKey}`)
  if (!isKeyKnown) output.note('compare that with the key you know, or give yours with --key')
}

/** `engine audit verify`: walks the whole chain, of a coordinator or of an export, and checks every signature. */
export async function verify(context: Context, flags: VerifyFlags): Promise<number> {
  const given = flags.key === undefined ? null : flag('--key', flags.key, keyOf)
  const expected = flags.expect === undefined ? null : flag('--expect', flags.expect, headOf)
  const from = flags.file === undefined ? { api: await context.connect() } : { file: flags.file }
  const publicKey = 'api' in from ? (given ?? (await from.api.version()).publicKey) : given
  const check = new AuditCheck({ publicKey, expected })
  const source = await walk(check, from)
  const { summary, broken } = check.end()
  if (broken !== null) throw new EngineError('ENGINE_ERR_AUDIT_BROKEN', { source, ...broken })
  tell(context, summary, publicKey !== null)
  return 0
}
