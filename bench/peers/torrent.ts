// A torrent (version 1) of one file, for peers that want one.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

/** What tuned swarms did best with. */
const PIECE_BYTES = 256 * 1024

type Bencoded = string | number | Buffer | { readonly [key: string]: Bencoded }

/** Keys of dictionaries are in order. */
function bencode(value: Bencoded): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const inside = entries.flatMap(([key, each]) => [bencode(key), bencode(each)])
  return Buffer.concat([Buffer.from('d'), ...inside, Buffer.from('e')])
}

function hashesOf(path: string): Buffer {
  const [file, piece, hashes] = [openSync(path, 'r'), Buffer.alloc(PIECE_BYTES), [] as Buffer[]]
  for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) {
    hashes.push(createHash('sha1').update(piece.subarray(0, read)).digest())
  }
  closeSync(file)
  return Buffer.concat(hashes)
}

/** Writes the torrent of `file` to `path`, where it appears whole. */
export function writeTorrent(path: string, file: string, tracker: string): void {
  const info = {
    name: basename(file),
    length: statSync(file).size,
    'piece length': PIECE_BYTES,
    pieces: hashesOf(file),
  }
  writeFileSync(`${path}.part`, bencode({ announce: tracker, info }))
  renameSync(`${path}.part`, path)
}
