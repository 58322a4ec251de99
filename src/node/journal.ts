import { constants } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import xxhash from 'xxhash-wasm'
import { syncDirectory } from '../base/directories.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { JOURNAL_RECORD_BYTES_MAX } from '../base/limits.js'

// A record on disk, little-endian:
//
//   0        4                12
//   | length | XXH64 of JSON  | JSON, UTF-8, `length` bytes |
//
// Nothing stands between records. A record is whole or it does not count.
const HEAD_BYTES = 12
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

const hashes = await xxhash()

/** What a journal's bytes hold. */
export interface JournalContents {
  /** JSON of the records before any damage, in order. */
  readonly records: readonly string[]
  /** Whole records beyond the first damage: something between is lost, so what they say has to be asked again. */
  readonly doubtful: readonly string[]
  /** Offset of the first damage that whole records follow; null when there is none. */
  readonly damagedAt: number | null
  /** Where the last whole record ends; what follows is a torn write, or nothing. */
  readonly endBytes: number
}

/** One record as it is written. @throws {EngineError} ENGINE_ERR_INTERNAL when it is larger than a record may be. */
export function encodeRecord(json: string): Buffer {
  const text = Buffer.from(json, 'utf8')
  if (text.length > JOURNAL_RECORD_BYTES_MAX) {
    throw new EngineError('ENGINE_ERR_INTERNAL', { why: `a journal record of ${text.length} bytes` })
  }
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32LE(text.length, 0)
  head.writeBigUInt64LE(hashes.h64Raw(text), 4)
  return Buffer.concat([head, text])
}

/** The record at `offset`, or null when none is whole there. */
function recordAt(bytes: Buffer, offset: number): { readonly json: string; readonly next: number } | null {
  if (offset + HEAD_BYTES > bytes.length) return null
  const length = bytes.readUInt32LE(offset)
  const start = offset + HEAD_BYTES
  const next = start + length
  if (length < 2 || length > JOURNAL_RECORD_BYTES_MAX || next > bytes.length) return null
  if (bytes[start] !== BRACE_OPEN || bytes[next - 1] !== BRACE_CLOSE) return null
  const text = bytes.subarray(start, next)
  if (hashes.h64Raw(text) !== bytes.readBigUInt64LE(offset + 4)) return null
  return { json: text.toString('utf8'), next }
}

/** Where the next whole record begins after `offset`; null when none follows. */
function nextRecord(bytes: Buffer, offset: number): number | null {
  for (let at = offset; at + HEAD_BYTES < bytes.length; at++) if (recordAt(bytes, at) !== null) return at
  return null
}

/**
 * Reads a journal's bytes, whatever they are. Bytes that are no record at the end are a write that a
 * crash cut off; the same before whole records are damage, and what follows is set apart. Pure.
 */
export function readJournal(bytes: Buffer): JournalContents {
  const records: string[] = []
  const doubtful: string[] = []
  let damagedAt: number | null = null
  let offset = 0
  for (;;) {
    const found = recordAt(bytes, offset)
    if (found !== null) {
      ;(damagedAt === null ? records : doubtful).push(found.json)
      offset = found.next
      continue
    }
    const next = nextRecord(bytes, offset + 1)
    if (next === null) return { records, doubtful, damagedAt, endBytes: offset }
    damagedAt ??= offset
    offset = next
  }
}

interface Waiting {
  readonly bytes: Buffer
  readonly onDurable: () => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** An append-only file of records. A record that `append` acknowledged survives a power cut. */
export class Journal {
  readonly path: string
  #file: FileHandle
  #endBytes: number
  #waiting: Waiting[] = []
  #working: Promise<void> = Promise.resolve()
  #scheduled = false
  #suspect = false
  #closed = false
  /** The file still holds what is no record, beyond `#endBytes`. */
  #hasRest: boolean

  private constructor(path: string, file: FileHandle, endBytes: number, hasRest: boolean) {
    this.path = path
    this.#file = file
    this.#endBytes = endBytes
    this.#hasRest = hasRest
  }

  /**
   * Opens a journal, or makes an empty one, and cuts off a torn last record. Bytes without one whole record are no
   * torn record but damage: they stay, for a copy, until something is appended or the journal is rewritten.
   * @returns the journal, and what it held.
   * @throws {EngineError} ENGINE_ERR_IO, ENGINE_ERR_DATA_DIR_UNWRITABLE.
   */
  static async open(path: string): Promise<{ readonly journal: Journal; readonly contents: JournalContents }> {
    let file: FileHandle | undefined
    try {
      file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
      const bytes = await file.readFile()
      const contents = readJournal(bytes)
      const isUnread = contents.endBytes === 0 && bytes.length > 0
      if (!isUnread) await file.truncate(contents.endBytes)
      await file.sync()
      await syncDirectory(dirname(path))
      const journal = new Journal(path, file, contents.endBytes, isUnread)
      return { journal, contents: isUnread ? { ...contents, damagedAt: 0 } : contents }
    } catch (error) {
      await file?.close().catch(() => {})
      throw toEngineError(error, { what: path, path })
    }
  }

  get sizeBytes(): number {
    return this.#endBytes
  }

  /**
   * A sync failed: what a power cut would leave of the file, or under its name, is not known. It must be written
   * anew (`rewrite`) before it is used.
   */
  get isSuspect(): boolean {
    return this.#suspect
  }

  /**
   * Appends records together; settles when they are durable. Appends that wait at the same time share a sync.
   * @param onDurable  called the moment they are, before any rewriting asks for what is to be kept.
   * @throws {EngineError} ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO (nothing of them counts then); ENGINE_ERR_NATIVE_CLOSED.
   */
  append(records: readonly string[], onDurable: () => void = () => {}): Promise<void> {
    if (this.#closed) return Promise.reject(new EngineError('ENGINE_ERR_NATIVE_CLOSED', { what: this.path }))
    const bytes = Buffer.concat(records.map(encodeRecord))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, onDurable, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      void this.#exclusively(() => this.#flush())
    })
  }

  /**
   * Replaces all records in one step: written beside, made durable, renamed over.
   * @param recordsNow  gives the new records, asked when everything appended before is durable.
   * @throws {EngineError} ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO; the old records stand then, or, when only the
   * directory could not be made durable, the new ones: the journal is suspect until it is written anew.
   */
  rewrite(recordsNow: () => readonly string[]): Promise<void> {
    return this.#exclusively(() => this.#rewrite(recordsNow()))
  }

  /** Waits for what is being written, then lets go of the file. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#exclusively(() => this.#file.close()).catch(() => {})
  }

  #exclusively(run: () => Promise<void>): Promise<void> {
    const done = this.#working.then(run)
    this.#working = done.catch(() => {})
    return done
  }

  async #flush(): Promise<void> {
    this.#scheduled = false
    const batch = this.#waiting.splice(0)
    try {
      if (this.#suspect) throw new EngineError('ENGINE_ERR_IO', { what: this.path, why: 'an earlier sync failed' })
      await this.#write(Buffer.concat(batch.map(({ bytes }) => bytes)))
      for (const { onDurable, resolve } of batch) {
        onDurable()
        resolve()
      }
    } catch (error) {
      const failure = toEngineError(error, { what: this.path, path: this.path })
      for (const { reject } of batch) reject(failure)
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    try {
      if (this.#hasRest) await this.#file.truncate(this.#endBytes)
      this.#hasRest = false
      await writeAll(this.#file, bytes, this.#endBytes)
    } catch (error) {
      // What was written in part is no record; a later append must not stand behind it.
      await this.#file.truncate(this.#endBytes).catch(() => {
        this.#suspect = true
      })
      throw error
    }
    try {
      await this.#file.datasync()
    } catch (error) {
      this.#suspect = true
      throw error
    }
    this.#endBytes += bytes.length
  }

  async #rewrite(records: readonly string[]): Promise<void> {
    const temporary = `${this.path}.new`
    const bytes = Buffer.concat(records.map(encodeRecord))
    try {
      const file = await open(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600)
      try {
        await writeAll(file, bytes, 0)
        await file.sync()
        await rename(temporary, this.path)
      } catch (error) {
        await file.close()
        throw error
      }
      await this.#adopt(file, bytes.length)
      await syncDirectory(dirname(this.path))
      this.#suspect = false
    } catch (error) {
      throw toEngineError(error, { what: this.path, path: this.path })
    }
  }

  /** The new file has the journal's name: whatever comes now, the old one is not found again. */
  async #adopt(file: FileHandle, endBytes: number): Promise<void> {
    const old = this.#file
    this.#file = file
    this.#endBytes = endBytes
    this.#hasRest = false
    // Until its name is durable, a power cut may bring the old one back.
    this.#suspect = true
    await old.close().catch(() => {})
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
