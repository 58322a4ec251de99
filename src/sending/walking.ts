import { createReadStream, openAsBlob } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { EngineError } from '../base/errors.js'
import type { ScanProgress } from '../native/content.js'
import { digestFile, writeManifest } from '../native/uploads.js'
import { WorkerPool } from '../pool/pool.js'

/** A content of a local tree, and a file that has it. */
export interface LocalContent {
  readonly digest: string
  readonly sizeBytes: number
  /** Bytes: names need not be text. */
  readonly path: Buffer
}

/** A tree of this machine, described: what a coordinator elsewhere is told of it. */
export interface LocalTree {
  readonly manifest: Blob
  /** The contents of its files in the order of their paths, the same one maybe several times. */
  contents(): AsyncGenerator<LocalContent>
  /** Removes what describing it left in the directory for temporary files. */
  close(): Promise<void>
}

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined
  readonly onScan?: ((progress: ScanProgress) => void) | undefined
}

/**
 * Reads and hashes a directory, or one file, away from this thread.
 * @throws {EngineError} ENGINE_ERR_SOURCE_MISSING, ENGINE_ERR_SOURCE_UNREADABLE, ENGINE_ERR_SPECIAL_FILE,
 * ENGINE_ERR_FILE_CHANGING, ENGINE_ERR_CANCELLED.
 */
export async function describe(path: string, options: WalkOptions = {}): Promise<LocalTree> {
  const found = await stat(path).catch(() => null)
  if (found === null || !(found.isDirectory() || found.isFile())) throw missing(path)
  const place = await mkdtemp(join(tmpdir(), 'engine-upload-'))
  try {
    const manifestPath = join(place, 'manifest')
    if (found.isDirectory()) await describeDirectory(path, place, options)
    else await writeFile(manifestPath, await fileManifest(path, Number(found.mode)))
    const manifest = await openAsBlob(manifestPath)
    const nameless = found.isDirectory() ? null : Buffer.from(path)
    return {
      manifest,
      contents: () => contentsOf(manifestPath, path, nameless),
      close: () => rm(place, { recursive: true, force: true }),
    }
  } catch (error) {
    await rm(place, { recursive: true, force: true })
    throw error
  }
}

function missing(path: string): EngineError {
  const hint = 'name a directory or a file of this machine, or - for standard input'
  const message = `there is no directory and no file ${path}`
  return new EngineError('ENGINE_ERR_SOURCE_MISSING', { path }, { hint, message })
}

async function describeDirectory(directory: string, place: string, { signal, onScan }: WalkOptions): Promise<void> {
  const treePath = join(place, 'tree')
  const pool = new WorkerPool()
  const run = {
    ...(signal === undefined ? {} : { signal }),
    ...(onScan === undefined ? {} : { onUpdate: onScan }),
  }
  try {
    await pool.scan({ directory, outTreePath: treePath, shadowTreePath: null }, run)
  } finally {
    await pool.close()
  }
  await writeManifest(treePath, join(place, 'manifest'))
}

/** A tree of one file, which has its own name. */
async function fileManifest(path: string, mode: number): Promise<string> {
  const { sizeBytes, digest } = await digestFile(path, { sync: false })
  const { mtimeNs } = await stat(path, { bigint: true })
  return oneFile({ name: basename(path), mode: mode & 0o777, mtimeNs, sizeBytes, digest })
}

/** The manifest of a tree with one file in its root, both of one time. Pure. */
export function oneFile(file: {
  readonly name: string
  readonly mode: number
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly digest: string
}): string {
  const { name, mode, sizeBytes, digest } = file
  const mtimeNs = String(file.mtimeNs)
  const root = { path: '', kind: 'dir', mode: '755', mtimeNs }
  const path = encodeURIComponent(name)
  const only = { path, kind: 'file', mode: mode.toString(8), mtimeNs, sizeBytes, digest }
  return `${JSON.stringify(root)}\n${JSON.stringify(only)}\n`
}

interface Line {
  readonly path: string
  readonly kind: 'dir' | 'file' | 'link'
  readonly sizeBytes?: number
  readonly digest?: string
}

async function* contentsOf(manifestPath: string, directory: string, only: Buffer | null): AsyncGenerator<LocalContent> {
  const lines = createInterface({ input: createReadStream(manifestPath), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const text of lines) {
    const { path, kind, sizeBytes = 0, digest = '' } = JSON.parse(text) as Line
    if (kind !== 'file' || sizeBytes === 0) continue
    yield { digest, sizeBytes, path: only ?? Buffer.concat([Buffer.from(`${directory}/`), bytesOf(path)]) }
  }
}

/** The bytes that a path of a manifest stands for. Pure. */
export function bytesOf(path: string): Buffer {
  const latin = path.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
  return Buffer.from(latin, 'latin1')
}
