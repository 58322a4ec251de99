// Makes trees and assignments with the real addon, for tests of what is done with them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type PackResult, pack, scan } from '../../src/native/content.js'
import { generateKey } from '../../src/native/keys.js'

export const key = generateKey()

/** Bytes that do not compress and that the seed alone decides (xorshift32). */
export function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = (seed * 2654435761 + 1) | 1
  for (let index = 0; index < length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state & 0xff
  }
  return bytes
}

/** Writes files by their paths below `directory`. */
export function writeTree(directory: string, files: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(directory, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    const file = join(directory, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}

export interface Packed extends PackResult {
  readonly treeHash: string
  readonly directory: string
  readonly treePath: string
  readonly streamPath: string
  readonly vouchPath: string
}

export interface PackOrder {
  readonly directory: string
  readonly release: number
  readonly base?: Packed
  readonly chunkBytes?: number
}

/** What `pack` is asked for; its files go beside the directory. */
export function packOptions({ directory, release, base, chunkBytes = 0 }: PackOrder) {
  return {
    directory,
    treePath: `${directory}.tree`,
    baseDirectory: base?.directory ?? null,
    baseTreePath: base?.treePath ?? null,
    serial: release,
    command: 'publish' as const,
    site: 'www',
    release,
    baseRelease: base?.serial ?? 0,
    outPath: `${directory}.stream`,
    vouchPath: `${directory}.vouch`,
    chunkBytes,
    signingKey: key.seed,
    createdNs: 1n,
    held: null,
  }
}

/** Scans and packs a directory. */
export function packTree(order: PackOrder): Packed {
  const options = packOptions(order)
  const scanOptions = { directory: order.directory, outTreePath: options.treePath, shadowTreePath: null }
  const { treeHash } = scan(scanOptions, () => true)
  const packed = pack(options, () => true)
  const { treePath, outPath: streamPath, vouchPath } = options
  return { ...packed, treeHash, directory: order.directory, treePath, streamPath, vouchPath }
}
