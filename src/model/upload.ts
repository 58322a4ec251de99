import type { Readable } from 'node:stream'

/** What one description of a tree still needs. */
export interface UploadView {
  /** 32 hexadecimal digits, made of the site and the tree: the same manifest is the same upload. */
  readonly id: string
  readonly site: string
  /** `complete`: everything is here and durable. */
  readonly state: 'open' | 'complete'
  readonly treeHash: string
  readonly fileCount: number
  readonly totalBytes: number
  /** Contents that are still to be sent, and their bytes. */
  readonly missingCount: number
  readonly missingBytes: number
  readonly openedAtMs: number
  /** When something of it came, or a job took it up, last. */
  readonly touchedAtMs: number
  /** Jobs that publish it, or wait for the rest of it. One that is used is not dropped. */
  readonly jobIds: readonly string[]
  /** It is dropped then, unless more of it arrives. */
  readonly expiresAtMs: number
}

/** Contents of a site that no upload names: sent for edits, or for a manifest that never came. Idle ones go. */
export interface LooseView {
  readonly site: string
  readonly contentCount: number
  readonly totalBytes: number
}

/** A content, named by its BLAKE3, and how much of it is here. */
export interface BlobView {
  readonly digest: string
  readonly sizeBytes: number
  readonly haveBytes: number
}

export interface MissingPage {
  readonly items: readonly BlobView[]
  /** What to give as `after` for the next page; null: this is the last. */
  readonly next: string | null
}

/** Bytes of one content as they are sent. */
export interface BlobBody {
  /** Where they begin; what is here from there on is written over. */
  readonly offset: number
  readonly body: Readable
}

/** How far a client is with sending what an upload lacks. */
export interface UploadProgress {
  readonly contentsSent: number
  readonly contentsToSend: number
  readonly bytesSent: number
  readonly bytesToSend: number
}

/** What a client does with its content: hashes it, then sends what is missing. */
export type UploadEvent =
  | { readonly type: 'reading'; readonly files: number; readonly bytes: number }
  | ({ readonly type: 'sending' } & UploadProgress)
