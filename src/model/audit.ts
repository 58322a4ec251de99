import { digestOf, isSigned, type Signer } from '../base/signing.js'

/** `call`: somebody asked for a change; `head`: the chain so far, signed; `truncated`: older records were dropped. */
export const auditKinds = ['call', 'head', 'truncated'] as const
export type AuditKind = (typeof auditKinds)[number]

/** `unknown`: the coordinator ended before the call was answered. */
export const auditOutcomes = ['done', 'refused', 'unknown'] as const
export type AuditOutcome = (typeof auditOutcomes)[number]

/** What was asked, in short: names and values without depth. */
export type AuditRequest = Readonly<Record<string, string | number | boolean | null>>

/** What is on record of one call; the chain adds its number and hashes. */
export interface AuditEntry {
  readonly kind: AuditKind
  /** When it was asked. */
  readonly atMs: number
  /** Remote address, `embedded` for the program that the coordinator runs in, or `coordinator`. */
  readonly actor: string
  readonly action: string
  /** What it was about: `site www`, `job 01…`. */
  readonly subject: string
  readonly request: AuditRequest
  readonly outcome: AuditOutcome
  /** Code of the error when it was refused. */
  readonly code: string | null
  /** Identity of what it made, as of a job. */
  readonly result: string | null
}

/** One record of the audit log. Records are numbered from 1 in the order in which calls were answered. */
export interface AuditRecord extends AuditEntry {
  readonly seq: number
  /** Hash of the record before; 64 zeros before the first. */
  readonly prevHash: string
  /** SHA-256 over all the rest, 64 hexadecimal digits. */
  readonly hash: string
}

/** Where a chain stands: the number of its newest record and that record's hash. */
export interface AuditHead {
  readonly seq: number
  readonly hash: string
}

export interface AuditPage {
  /** Oldest first. */
  readonly items: readonly AuditRecord[]
  /** To ask for the next page with; null when there is none. */
  readonly nextSinceSeq: number | null
}

/** A page of records that were asked for with `limit`. */
export function pageOf(items: readonly AuditRecord[], limit: number): AuditPage {
  return { items, nextSinceSeq: items.length < limit ? null : (items.at(-1)?.seq ?? null) }
}

/** Before the first record. */
export const auditStart: AuditHead = { seq: 0, hash: '0'.repeat(64) }

const RECORD_DOMAIN = 'distributary/audit/record/1'
const HEAD_DOMAIN = 'distributary/audit/head/1'

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** Hash of a record: over a JSON array of its fields in this order, the request as pairs sorted by name. */
export function auditHash(record: Omit<AuditRecord, 'hash'>): string {
  const { seq, kind, atMs, actor, action, subject, outcome, code, result, prevHash } = record
  const request = Object.entries(record.request).toSorted(byName)
  const fields = [seq, kind, atMs, actor, action, subject, request, outcome, code, result, prevHash]
  return digestOf(RECORD_DOMAIN, JSON.stringify(fields))
}

/** The record that follows `head`. */
export function chained(entry: AuditEntry, head: AuditHead): AuditRecord {
  const record = { ...entry, seq: head.seq + 1, prevHash: head.hash }
  return { ...record, hash: auditHash(record) }
}

const headText = ({ seq, hash }: AuditHead): string => JSON.stringify([seq, hash])

const own = { actor: 'coordinator', subject: 'audit', outcome: 'done', code: null, result: null } as const

/** Vouches for the chain so far with the coordinator's key. */
export function signedHead(head: AuditHead, signer: Signer, atMs: number): AuditEntry {
  const signature = signer.sign(HEAD_DOMAIN, headText(head))
  const request = { headSeq: head.seq, headHash: head.hash, publicKey: signer.publicKey, signature }
  return { ...own, kind: 'head', atMs, action: 'signHead', request }
}

/** Says that everything up to a record was dropped; it is in the chain before anything is. */
export function truncation(dropped: AuditHead, atMs: number): AuditEntry {
  const request = { throughSeq: dropped.seq, throughHash: dropped.hash }
  return { ...own, kind: 'truncated', atMs, action: 'truncate', request }
}

/** Where and why a chain does not hold. */
export interface AuditBreak {
  readonly seq: number
  readonly why: string
}

/** What a chain that holds amounts to. */
export interface AuditSummary {
  readonly records: number
  readonly firstSeq: number | null
  /** The newest record: what a later check can be held against. */
  readonly head: AuditHead
  readonly signedHeads: number
  /** Newest number that a signed head vouches for; 0: none. */
  readonly signedThroughSeq: number
  /** Whose signatures they are; null when nothing is signed. */
  readonly publicKey: string | null
}

/** Walks a chain, record by record, oldest first. Knows nothing of where they come from. */
export class AuditCheck {
  #head: AuditHead | null = null
  #broken: AuditBreak | null = null
  #firstSeq: number | null = null
  /** What must be said to have been dropped, when the chain does not begin with its first record. */
  #missing: AuditHead | null = null
  #records = 0
  #signedHeads = 0
  #signedThroughSeq = 0
  #publicKey: string | null
  #expected: AuditHead | null

  /**
   * @param options.publicKey whose signatures count; null: all of them must be of one key, whichever.
   * @param options.expected a head that was seen earlier and must be in the chain.
   */
  constructor(options: { readonly publicKey: string | null; readonly expected?: AuditHead | null }) {
    this.#publicKey = options.publicKey
    this.#expected = options.expected ?? null
  }

  /** The first break; null while there is none. */
  get broken(): AuditBreak | null {
    return this.#broken
  }

  /** @returns false when the chain is broken: what follows is not looked at. */
  take(record: AuditRecord): boolean {
    if (this.#broken !== null) return false
    const why = this.#whyBroken(record)
    if (why !== null) {
      this.#broken = { seq: record.seq, why }
      return false
    }
    this.#head = { seq: record.seq, hash: record.hash }
    this.#firstSeq ??= record.seq
    this.#records += 1
    if (this.#missing !== null && isTruncation(record, this.#missing)) this.#missing = null
    if (this.#expected?.seq === record.seq) this.#expected = null
    return true
  }

  /** All records were seen. @returns what they amount to, or where the chain breaks. */
  end(): { readonly summary: AuditSummary; readonly broken: AuditBreak | null } {
    const head = this.#head ?? auditStart
    if (this.#broken === null && this.#missing !== null) {
      const why = `records 1 to ${this.#missing.seq} are missing and nothing says that they were dropped`
      this.#broken = { seq: this.#missing.seq + 1, why }
    }
    if (this.#broken === null && this.#expected !== null) {
      const why = `the log ends or begins elsewhere: record ${this.#expected.seq}, seen earlier, is not in it`
      this.#broken = { seq: head.seq, why }
    }
    const [records, firstSeq, signedHeads] = [this.#records, this.#firstSeq, this.#signedHeads]
    const publicKey = signedHeads === 0 ? null : this.#publicKey
    const summary = { records, firstSeq, head, signedHeads, signedThroughSeq: this.#signedThroughSeq, publicKey }
    return { summary, broken: this.#broken }
  }

  #whyBroken(record: AuditRecord): string | null {
    const before = this.#head ?? this.#begin(record)
    if (record.seq !== before.seq + 1) return `it follows record ${before.seq}`
    if (record.prevHash !== before.hash) return `it does not name the hash of record ${before.seq}`
    if (auditHash(record) !== record.hash) return 'its hash is not the hash of what it says'
    if (this.#expected?.seq === record.seq && this.#expected.hash !== record.hash) {
      return 'it is not the record that was seen under this number earlier'
    }
    return record.kind === 'head' ? this.#whyHeadFails(record, before) : null
  }

  /** A chain may begin late when it says itself what was dropped. */
  #begin({ seq, prevHash }: AuditRecord): AuditHead {
    if (seq <= 1) return auditStart
    this.#missing = { seq: seq - 1, hash: prevHash }
    return this.#missing
  }

  #whyHeadFails({ request }: AuditRecord, before: AuditHead): string | null {
    const { headSeq, headHash, publicKey, signature } = request
    if (headSeq !== before.seq || headHash !== before.hash) return 'it signs another record than the one before it'
    if (typeof publicKey !== 'string' || typeof signature !== 'string') return 'it carries no signature'
    this.#publicKey ??= publicKey
    if (publicKey !== this.#publicKey) return `it is signed by ${publicKey}, not by ${this.#publicKey}`
    if (!isSigned(publicKey, signature, HEAD_DOMAIN, headText(before))) return 'its signature is wrong'
    this.#signedHeads += 1
    this.#signedThroughSeq = before.seq
    return null
  }
}

const isTruncation = ({ kind, request }: AuditRecord, dropped: AuditHead): boolean =>
  kind === 'truncated' && request['throughSeq'] === dropped.seq && request['throughHash'] === dropped.hash
