import { EngineError } from '../base/errors.js'

export interface ByteRange {
  readonly offset: number
  readonly lengthBytes: number
  /** Whether only a part was asked for. */
  readonly isPart: boolean
}

const form = /^bytes=(\d{0,16})-(\d{0,16})$/

/**
 * Reads `Range` (RFC 9110): one range of bytes. What is none, or asks for several, counts as if it were not there,
 * as does any when `If-Range` names something else than `etag`. Pure.
 * @throws {EngineError} ENGINE_ERR_FILE_RANGE when nothing of it is in the file.
 */
export function byteRangeOf(
  { range, ifRange }: { readonly range: string | undefined; readonly ifRange: string | undefined },
  { sizeBytes, etag }: { readonly sizeBytes: number; readonly etag: string },
): ByteRange {
  const whole = { offset: 0, lengthBytes: sizeBytes, isPart: false }
  const [, from, to] = form.exec(range ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return whole
  if (ifRange !== undefined && ifRange !== etag) return whole
  const last = sizeBytes - 1
  const first = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from)
  const end = from === '' || to === '' ? last : Math.min(Number(to), last)
  if (from !== '' && to !== '' && Number(to) < Number(from)) return whole
  if (first > end) throw new EngineError('ENGINE_ERR_FILE_RANGE', { range, sizeBytes })
  return { offset: first, lengthBytes: end - first + 1, isPart: true }
}
