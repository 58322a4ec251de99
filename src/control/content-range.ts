import { EngineError } from '../base/errors.js'

/** Where the bytes of a body belong: from `offset` on; how many they are and of how many, where that is said. */
export interface ContentRange {
  readonly offset: number
  readonly lengthBytes: number | null
  readonly sizeBytes: number | null
}

const form = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/

function refuse(what: string, why: string): never {
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why })
}

/**
 * Reads `Content-Range: bytes FROM-TO/SIZE` beside `Content-Length`; without a range the body begins at 0. Pure.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT when it is no range, or the two do not agree.
 */
export function contentRangeOf(range: string | undefined, contentLength: string | undefined): ContentRange {
  const stated = contentLength === undefined ? null : Number(contentLength)
  if (range === undefined) return { offset: 0, lengthBytes: stated, sizeBytes: null }
  const [, from, to, size] = form.exec(range) ?? []
  if (from === undefined || to === undefined) return refuse('Content-Range', 'write it like bytes 0-99/1000')
  const offset = Number(from)
  const lengthBytes = Number(to) - offset + 1
  const sizeBytes = size === '*' ? null : Number(size)
  if (lengthBytes < 1 || (sizeBytes !== null && Number(to) >= sizeBytes))
    refuse('Content-Range', 'it is empty or too long')
  if (stated !== null && stated !== lengthBytes) refuse('Content-Range', 'Content-Length says otherwise')
  return { offset, lengthBytes, sizeBytes }
}
