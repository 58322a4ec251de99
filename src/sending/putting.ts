import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import type { UploadsClient } from '../control/uploads-client.js'
import type { UploadEvent } from '../model/upload.js'
import { Bringing } from './bringing.js'
import { persist } from './persisting.js'
import { describe } from './walking.js'

/** A file is brought so often at most where its upload goes meanwhile. */
const ROUNDS_MAX = 3

/** A file of this machine as a coordinator has it now. */
export interface Brought {
  readonly digest: string
  readonly sizeBytes: number
  /** Null: a stream has none. */
  readonly mode: string | null
  readonly mtimeNs: string | null
  /** Lets go of the upload that brought it; a job that puts it keeps it. */
  readonly done: () => Promise<void>
}

export interface PuttingOptions {
  readonly uploads: UploadsClient
  readonly site: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onUpload: ((event: UploadEvent) => void) | undefined
}

/**
 * Brings one file of this machine to a coordinator, as an upload of one file does: only what it lacks, from where an
 * earlier try broke off. @throws {EngineError} ENGINE_ERR_SOURCE_MISSING, ENGINE_ERR_NOT_A_FILE and of uploads.
 */
export async function bringFile(path: string, options: PuttingOptions): Promise<Brought> {
  const { uploads, site, clock, signal, onUpload } = options
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory() === true) {
    const hint = 'a directory is published whole: engine publish DIR --site NAME'
    throw new EngineError('ENGINE_ERR_NOT_A_FILE', { path, kind: 'directory' }, { hint })
  }
  const tree = await describe(path, { signal })
  const persistence = { clock, signal }
  const onProgress = (progress: object): void =>
    onUpload?.({ type: 'sending', ...progress } as Extract<UploadEvent, { type: 'sending' }>)
  const bring = async (): Promise<string> => {
    const { id: uploadId } = await persist(persistence, () => uploads.create(site, tree.manifest, signal))
    await new Bringing({ uploads, uploadId, tree, clock, signal, onProgress }).run()
    await persist(persistence, () => uploads.complete(uploadId))
    return uploadId
  }
  try {
    const facts = fileOf(await tree.manifest.text())
    const uploadId = await anew(bring)
    const done = async (): Promise<void> => {
      // What cannot be dropped is dropped when it has lain idle.
      await uploads.drop(uploadId).catch((error: unknown) => toEngineError(error))
    }
    return { ...facts, done }
  } finally {
    await tree.close()
  }
}

/**
 * The same file for the same site is the same upload: another who puts it drops it when it was put, and what it
 * brought may go with it. Then it is brought again.
 */
async function anew(bring: () => Promise<string>): Promise<string> {
  for (let round = 1; ; round++) {
    try {
      return await bring()
    } catch (error) {
      const isGone = ['ENGINE_ERR_UPLOAD_UNKNOWN', 'ENGINE_ERR_UPLOAD_INCOMPLETE'].includes(toEngineError(error).code)
      if (!isGone || round >= ROUNDS_MAX) throw error
    }
  }
}

/** Brings a stream to a coordinator, however long it is; of a cut one nothing is kept. */
export async function bringStream(content: Readable, { uploads, site, signal }: PuttingOptions): Promise<Brought> {
  const { digest, sizeBytes } = await uploads.putContent(site, Readable.toWeb(content) as ReadableStream, signal)
  return { digest, sizeBytes, mode: null, mtimeNs: null, done: async () => {} }
}

/** The only file of a manifest. */
function fileOf(manifest: string): Omit<Brought, 'done'> {
  for (const line of manifest.split('\n')) {
    const { kind, digest, sizeBytes, mode, mtimeNs } = JSON.parse(line) as Omit<Brought, 'done'> & { kind: string }
    if (kind === 'file') return { digest, sizeBytes, mode, mtimeNs }
  }
  throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'the manifest of a file names none' })
}
