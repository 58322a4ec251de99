import { copyFile, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import { DAMAGED_JOURNALS_KEPT, JOURNAL_COMPACT_BYTES } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import { Journal, type JournalContents } from './journal.js'
import {
  emptyState,
  fold,
  JOURNAL_VERSION,
  type JournalRecord,
  journalRecord,
  type NodeState,
  snapshotOf,
} from './state.js'

export interface LedgerOptions {
  readonly path: string
  readonly log: Logger
  readonly clock: Clock
  /** Opens what records are written to; absent: a file at `path`. */
  readonly openJournal?: (path: string) => Promise<{ readonly journal: Records; readonly contents: JournalContents }>
}

/** Where records are written, as `Journal` does. */
export type Records = Pick<Journal, 'path' | 'sizeBytes' | 'isSuspect' | 'append' | 'rewrite' | 'close'>

/** Records that were whole and made sense, and whether anything else was there. */
function understand(texts: readonly string[]): { readonly records: JournalRecord[]; readonly strange: number } {
  const records: JournalRecord[] = []
  let strange = 0
  for (const text of texts) {
    const read = journalRecord.safeParse(parsed(text))
    if (read.success) records.push(read.data)
    else strange += 1
  }
  return { records, strange }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** What the node has written down, and what it adds up to. */
export class Ledger {
  /** Something of the journal was lost: nothing on the disk may be removed for not being in it. */
  readonly isDamaged: boolean
  readonly #journal: Records
  readonly #log: Logger
  #state: NodeState
  #compactAtBytes: number

  private constructor(journal: Records, state: NodeState, options: LedgerOptions & { readonly isDamaged: boolean }) {
    this.#journal = journal
    this.#state = state
    this.#log = options.log
    this.isDamaged = options.isDamaged
    this.#compactAtBytes = JOURNAL_COMPACT_BYTES
  }

  /**
   * Reads the journal, keeps a copy of a damaged one beside it, and writes it anew with what counts.
   * Records beyond damage are taken too: what they say of releases is checked against the disk, and
   * what was lost between is asked of the coordinator.
   * @throws {EngineError} ENGINE_ERR_VERSION_MISMATCH, ENGINE_ERR_IO, ENGINE_ERR_NO_SPACE.
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { path, openJournal = (file: string) => Journal.open(file) } = options
    const { journal, contents } = await openJournal(path)
    try {
      const { records, strange } = understand([...contents.records, ...contents.doubtful])
      checkVersion(records)
      const isDamaged = contents.damagedAt !== null || strange > 0
      if (isDamaged) await keepDamaged(options, contents, strange)
      const ledger = new Ledger(journal, records.reduce(fold, emptyState), { ...options, isDamaged })
      await ledger.#compact()
      return ledger
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  get state(): NodeState {
    return this.#state
  }

  /**
   * Writes records down; when it settles they are durable and `state` has them. Records of one call
   * stand together, those of several calls in the order of the calls.
   * @throws {EngineError} ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO; none of them counts then.
   */
  async record(...records: readonly JournalRecord[]): Promise<void> {
    if (records.length === 0) return
    if (this.#journal.isSuspect) await this.#compact()
    await this.#journal.append(
      records.map((record) => JSON.stringify(record)),
      () => {
        this.#state = records.reduce(fold, this.#state)
      },
    )
    if (this.#journal.sizeBytes > this.#compactAtBytes) await this.#compactIfPossible()
  }

  close(): Promise<void> {
    return this.#journal.close()
  }

  async #compact(): Promise<void> {
    await this.#journal.rewrite(() => snapshotOf(this.#state).map((record) => JSON.stringify(record)))
    this.#compactAtBytes = Math.max(JOURNAL_COMPACT_BYTES, 4 * this.#journal.sizeBytes)
  }

  /** A journal that cannot be made shorter is only longer: what was to be recorded is. */
  async #compactIfPossible(): Promise<void> {
    const before = this.#compactAtBytes
    this.#compactAtBytes = Number.POSITIVE_INFINITY
    try {
      await this.#compact()
    } catch (error) {
      this.#compactAtBytes = 2 * before
      this.#log.warn({ err: error, path: this.#journal.path }, 'the journal cannot be compacted')
    }
  }
}

function checkVersion(records: readonly JournalRecord[]): void {
  for (const record of records) {
    if (record.type !== 'opened' || record.version === JOURNAL_VERSION) continue
    const facts = { peer: 'the data directory', theirs: record.version, ours: JOURNAL_VERSION, channel: 'journal' }
    throw new EngineError('ENGINE_ERR_VERSION_MISMATCH', facts)
  }
}

async function keepDamaged(options: LedgerOptions, contents: JournalContents, strange: number): Promise<void> {
  const copy = `${options.path}.damaged-${options.clock.nowMs()}`
  await copyFile(options.path, copy)
  const facts = { path: options.path, copy, offset: contents.damagedAt, unread: strange }
  await dropOldCopies(options.path)
  options.log.error(facts, 'the journal is damaged; nothing is removed, and the coordinator is asked what to hold')
}

/** The newest copies show what happens to a disk; without an end they would fill it. */
async function dropOldCopies(path: string): Promise<void> {
  const prefix = `${basename(path)}.damaged-`
  const times = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => b - a)
  for (const time of times.slice(DAMAGED_JOURNALS_KEPT)) await rm(join(dirname(path), prefix + String(time)))
}
