// Bytes of nodes' files over HTTP.
// In: a place, and where to begin. Out: a body. Never: an import of Node's own modules.
import { EngineError } from '../base/errors.js'
import type { FileLook, FilePlace } from '../model/file.js'
import { ask, type HttpOptions } from './http.js'

/** A path as it goes into a URL: escapes stay what they are, and no part of it is taken for a step upwards. */
const inUrl = (path: string): string =>
  path
    .split('/')
    .map((part) => part.replaceAll(/[^%\w.~-]/gu, (found) => encodeURIComponent(found)))
    .join('/')

const baseOf = ({ node, site, path }: FilePlace): string => {
  // A URL would be made shorter by these, and ask for something else.
  if (/(^|\/)(\.|%2e){1,2}(\/|$)/i.test(path)) throw new EngineError('ENGINE_ERR_PATH_ESCAPES', { path })
  return `/v1/nodes/${encodeURIComponent(node)}/files/${encodeURIComponent(site)}/${inUrl(path)}`
}

/** Where a question about a path goes. */
export function fileLocation(look: FileLook): string {
  const query = new URLSearchParams()
  if (look.release !== null) query.set('release', String(look.release))
  if (look.list === null) query.set('stat', '')
  else {
    // Also of what is no directory: then it is said what it is.
    query.set('list', '')
    query.set('limit', String(look.list.limit))
  }
  if (look.list?.after) query.set('after', look.list.after)
  return `${baseOf(look)}?${query.toString()}`
}

export interface FileRead extends FilePlace {
  readonly release: number
  /** Where to go on, of the file that has this name among its versions; 0: from the start. */
  readonly offset: number
  readonly etag: string
  readonly signal?: AbortSignal | undefined
}

/** Asks for the bytes of a file from `offset` on. @throws {EngineError} as `ask`; ENGINE_ERR_FILE_CHANGED. */
export async function readFile(http: HttpOptions, read: FileRead): Promise<ReadableStream<Uint8Array> | null> {
  const { release, offset, etag, path, signal } = read
  const answer = await ask(http, {
    method: 'GET',
    path: `${baseOf(read)}?release=${release}`,
    headers: offset === 0 ? {} : { range: `bytes=${offset}-`, 'if-range': etag },
    ...(signal === undefined ? {} : { signal }),
  })
  if (answer.headers.get('etag') !== etag || (offset > 0 && answer.status !== 206)) {
    await answer.body?.cancel()
    throw new EngineError('ENGINE_ERR_FILE_CHANGED', { path })
  }
  return answer.body
}
