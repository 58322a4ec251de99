import { isSigned, type Signer } from '../base/signing.js'
import { wellFormed } from '../base/text.js'
import type { Receipt } from './job.js'

/** What a node vouches for with one report: all that it says of a command. */
export type ReportFacts = Pick<
  Receipt,
  | 'nodeId'
  | 'jobId'
  | 'number'
  | 'commandId'
  | 'site'
  | 'command'
  | 'kind'
  | 'release'
  | 'treeHash'
  | 'atMs'
  | 'bytesFetched'
  | 'output'
  | 'error'
>

const REPORT_DOMAIN = 'distributary/report/1'

/** Texts are signed as a database or another language gives them back. */
const inUtf8 = (_: string, value: unknown): unknown => (typeof value === 'string' ? wellFormed(value) : value)

/** What is signed: a JSON array of the facts in this order, the error as its three texts. */
function signedText(facts: ReportFacts): string {
  const { nodeId, jobId, number, commandId, site, command, kind, release, treeHash, atMs, bytesFetched } = facts
  const error = facts.error === null ? null : [facts.error.code, facts.error.message, facts.error.hint]
  const about = [nodeId, jobId, number, commandId, site, command, kind, release, treeHash, atMs, bytesFetched]
  return JSON.stringify([...about, facts.output, error], inUtf8)
}

/** Signature of a node over what it reports, 128 hexadecimal digits. */
export const signReport = (facts: ReportFacts, signer: Signer): string => signer.sign(REPORT_DOMAIN, signedText(facts))

/** Whether the owner of a public key signed exactly these facts. */
export const isReportSigned = (facts: ReportFacts, publicKey: string, signature: string): boolean =>
  isSigned(publicKey, signature, REPORT_DOMAIN, signedText(facts))

/** `unsigned`: by a node that has no key; it proves nothing. */
export type Proof = 'signed' | 'unsigned' | 'wrong'

/** What a receipt proves by itself. */
export function proofOf(receipt: Receipt): Proof {
  const { publicKey, signature } = receipt
  if (publicKey === null && signature === null) return 'unsigned'
  return publicKey !== null && signature !== null && isReportSigned(receipt, publicKey, signature) ? 'signed' : 'wrong'
}
