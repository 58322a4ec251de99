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
  const parts = partsOf(range)
  if (parts === null) return whole
  const [from, to] = parts
  if (ifRange !== undefined && ifRange !== etag) return whole
  const isSuffix = from === ''
  if (!isSuffix && to !== '' && Number(to) < Number(from)) return whole
  const last = sizeBytes - 1
  const first = isSuffix ? Math.max(0, sizeBytes - Number(to)) : Number(from)
  const end = isSuffix ? last : lastOf(to, last)
  if (first > end) throw new EngineError('ENGINE_ERR_FILE_RANGE', { range, sizeBytes })
  return { offset: first, lengthBytes: end - first + 1, isPart: true }
}

const lastOf = (to: string, last: number): number => (to === '' ? last : Math.min(Number(to), last))

/** The two numbers of one range as they are written; null: it is none. */
function partsOf(range: string | undefined): readonly [string, string] | null {
  const [, from = '', to = ''] = form.exec(range ?? '') ?? []
  return from === '' && to === '' ? null : [from, to]
}
