import { EngineError } from '../../base/errors.js'
import type { CloudEvent } from '../../model/fleet-event.js'
import type { Context } from '../context.js'
import { printable } from '../output.js'
import { flag } from './flag.js'
import { listOf } from './webhooks.js'

export interface EventsFlags {
  readonly types?: string
  readonly since?: string
}

const eventId = (text: string): number => {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: 'write the id of an event, or 0' })
}

/** The facts of an event that fit a line. */
function facts({ data }: CloudEvent): string {
  const shown = ['state', 'site', 'group', 'release', 'reason'].flatMap((key) => {
    const value = data[key]
    return typeof value === 'string' || typeof value === 'number' ? [`${key}=${value}`] : []
  })
  const error = data['error']
  const code = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return [...shown, ...(typeof code === 'string' ? [`error=${code}`] : [])].join(' ')
}

/** `engine events`: what happens in the fleet, as it happens, until a signal ends it. */
export async function events(context: Context, flags: EventsFlags): Promise<number> {
  const { output, interrupts } = context
  const since = flags.since === undefined ? {} : { sinceId: flag('--since', flags.since, eventId) }
  const types = flags.types === undefined ? {} : { types: listOf(flags.types) }
  const api = await context.connect()
  // A coordinator that goes away later is waited for; one that is not there is a slip in the address.
  await api.version()
  const stop = new AbortController()
  let exitCode = 0
  const end = (code: number): void => {
    exitCode = code
    stop.abort()
  }
  const stopListening = interrupts.listen(end, end)
  try {
    for await (const event of api.events({ ...types, ...since, signal: stop.signal })) {
      if (output.json) output.data(event)
      else output.print(printable(`${event.id}  ${event.time}  ${event.type}  ${event.subject}  ${facts(event)}`))
    }
  } finally {
    stopListening()
  }
  return exitCode
}
