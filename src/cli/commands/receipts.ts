import { EngineError } from '../../base/errors.js'
import { formatBytes } from '../../base/quantities.js'
import type { Receipt } from '../../model/job.js'
import { type Proof, proofOf } from '../../model/proof.js'
import type { Context } from '../context.js'
import { table } from '../output.js'

export interface ReceiptsFlags {
  readonly verify?: boolean
  readonly csv?: boolean
}

/** A receipt with what its signature proves; null: nobody asked. */
interface Checked {
  readonly receipt: Receipt
  readonly proof: Proof | null
}

const results = { receipt: 'received', completion: 'done', failure: 'failed' } as const
const timeOf = (ms: number): string => new Date(ms).toISOString()

const row = ({ receipt, proof }: Checked): string[] => [
  receipt.nodeName,
  String(receipt.number),
  receipt.command,
  receipt.kind,
  receipt.release === null ? '–' : String(receipt.release),
  timeOf(receipt.recordedAtMs),
  formatBytes(receipt.bytesFetched),
  ...(proof === null ? [] : [proof]),
  receipt.error === null ? (receipt.treeHash ?? '').slice(0, 12) : receipt.error.code,
]

const csvHead = [
  ...['node', 'number', 'command', 'kind', 'release', 'bytes', 'at', 'recorded_at', 'tree_hash', 'result'],
  ...['error_code', 'signature', 'public_key'],
]

const csvRow = (receipt: Receipt): (string | number | null)[] => [
  ...[receipt.nodeName, receipt.number, receipt.command, receipt.kind, receipt.release, receipt.bytesFetched],
  ...[timeOf(receipt.atMs), timeOf(receipt.recordedAtMs), receipt.treeHash, results[receipt.kind]],
  ...[receipt.error?.code ?? null, receipt.signature, receipt.publicKey],
]

/** One line by RFC 4180, without its end: a field is in quotes where it must be, and its quotes are doubled. */
export const csvLine = (fields: readonly (string | number | null)[]): string =>
  fields
    .map((field) => String(field ?? ''))
    .map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(',')

function printTable({ output }: Context, items: readonly Checked[], isVerified: boolean): void {
  const proof = isVerified ? ['PROOF'] : []
  const head = ['NODE', 'NO', 'COMMAND', 'KIND', 'RELEASE', 'RECORDED', 'FETCHED', ...proof, 'TREE']
  for (const line of table(head, items.map(row), output.dataColumns)) output.print(line)
}

/** @throws {EngineError} ENGINE_ERR_RECEIPTS_UNPROVEN unless every one is signed by its node. */
function requireProofs(jobId: string, items: readonly Checked[]): void {
  const wrong = items.filter(({ proof }) => proof === 'wrong')
  const unsigned = items.filter(({ proof }) => proof === 'unsigned')
  if (wrong.length + unsigned.length === 0) return
  const nodes = (of: readonly Checked[]): string => [...new Set(of.map(({ receipt }) => receipt.nodeName))].join(', ')
  const why = [
    ...(wrong.length === 0 ? [] : [`${wrong.length} with a wrong signature (${nodes(wrong)})`]),
    ...(unsigned.length === 0 ? [] : [`${unsigned.length} not signed (${nodes(unsigned)})`]),
  ].join(', ')
  const facts = { count: wrong.length + unsigned.length, total: items.length, jobId, why }
  throw new EngineError('ENGINE_ERR_RECEIPTS_UNPROVEN', facts)
}

/** `engine receipts JOB`: what every node has said of it; with --verify, whether it was they who said it. */
export async function receipts(context: Context, jobId: string, flags: ReceiptsFlags): Promise<number> {
  const { output } = context
  const { verify: isVerified = false, csv: isCsv = false } = flags
  if (isCsv && output.json) {
    const why = 'it is one or the other'
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: '--csv with --json', why })
  }
  const all = await (await context.connect()).receipts(jobId)
  const items = all.map((receipt): Checked => ({ receipt, proof: isVerified ? proofOf(receipt) : null }))
  if (isCsv) {
    // RFC 4180 ends a line with CR LF; the line feed is printed.
    for (const fields of [csvHead, ...all.map(csvRow)]) output.print(`${csvLine(fields)}\r`)
  } else if (output.json) {
    output.data({ items: items.map(({ receipt, proof }) => (proof === null ? receipt : { ...receipt, proof })) })
  } else if (items.length === 0) output.note('no receipts yet')
  else printTable(context, items, isVerified)
  if (isVerified) {
    requireProofs(jobId, items)
    output.note(`${items.length} of ${items.length} receipts are signed by their nodes`)
  }
  return 0
}
