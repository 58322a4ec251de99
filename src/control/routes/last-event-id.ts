import type { IncomingHttpHeaders } from 'node:http'
import { EngineError } from '../../base/errors.js'

/** Where the reader of a stream stands: the header that browsers send again, else the query; null: it says nothing. */
export function sinceOf(headers: IncomingHttpHeaders, sinceId: number | undefined): number | null {
  const header = headers['last-event-id']
  if (header === undefined || header === '') return sinceId ?? null
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'Last-Event-ID', why: 'it is no event id' })
}
