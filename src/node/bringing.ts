// In: an open file. Out: its bytes, in one request to the coordinator. Never: more of it in memory than a piece.
import { close, fstat, read } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { EngineError } from '../base/errors.js'
import { FILE_IDLE_MS, FILE_PIECE_BYTES } from '../base/file-limits.js'

const readAt = promisify(read)
const statOf = (fd: number): Promise<{ size: bigint; mtimeNs: bigint }> =>
  promisify<number, { bigint: true }, { size: bigint; mtimeNs: bigint }>(fstat as never)(fd, { bigint: true })

export const closeFile: (fd: number) => Promise<void> = promisify(close)

/** Bytes of an open file, and how it was when they were promised. */
export interface Extent {
  readonly fd: number
  readonly path: string
  readonly sizeBytes: number
  readonly mtimeNs: string
  readonly offset: number
  readonly lengthBytes: number
}

/** @throws {EngineError} ENGINE_ERR_FILE_CHANGED, before the end, when it is no longer what it was. */
export async function* piecesOf({ fd, path, sizeBytes, mtimeNs, offset, lengthBytes }: Extent): AsyncGenerator<Buffer> {
  const changed = (): EngineError => new EngineError('ENGINE_ERR_FILE_CHANGED', { path })
  for (let at = offset, left = lengthBytes; left > 0; ) {
    const buffer = Buffer.allocUnsafe(Math.min(left, FILE_PIECE_BYTES))
    const { bytesRead } = await readAt(fd, buffer, 0, buffer.length, at)
    if (bytesRead === 0) throw changed()
    at += bytesRead
    left -= bytesRead
    yield buffer.subarray(0, bytesRead)
  }
  const now = await statOf(fd)
  if (now.size !== BigInt(sizeBytes) || now.mtimeNs !== BigInt(mtimeNs)) throw changed()
}

/** What brings a body to the coordinator at `join`; settles when it has passed all of it on, and no piece is read. */
export function bringer(join: string) {
  return async (transferId: string, pieces: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> => {
    const url = new URL(`/v1/transfers/${transferId}`, join)
    const ask = url.protocol === 'https:' ? httpsRequest : httpRequest
    // A connection of its own: one that was kept may be gone, and this is asked once.
    // Of no stated length: only a proper end says that it is whole.
    const request = ask(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      signal,
      agent: false,
    })
    // A machine that is gone does not hang up: it is asked whether it is there while it owes the answer.
    request.setSocketKeepAlive(true, FILE_IDLE_MS)
    const answered = new Promise<void>((resolve, reject) => {
      request.on('error', reject)
      request.on('response', (answer) => {
        answer.resume()
        if (answer.statusCode === 204) resolve()
        else reject(new EngineError('ENGINE_ERR_TRANSFER_UNKNOWN', { transferId }))
      })
    })
    const sent = pipeline(pieces, request)
    try {
      await Promise.all([sent, answered])
    } catch (error) {
      // Whoever gives the pieces closes their file then: while one is read, its descriptor is not to be another's.
      request.destroy()
      await Promise.allSettled([sent, answered])
      throw error
    }
  }
}
