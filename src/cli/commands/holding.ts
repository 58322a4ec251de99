import { parseDurationMs } from '../../base/quantities.js'
import type { SiteView } from '../../model/site.js'
import type { Context } from '../context.js'
import { printable } from '../output.js'
import { flag } from './flag.js'

interface Which {
  readonly site?: string
  readonly group?: string
}

export interface PauseFlags extends Which {
  readonly for?: string
  readonly reason: string
}

export interface ResumeFlags extends Which {
  readonly reason?: string
}

const named = ({ site, group }: Which): Which => ({
  ...(site === undefined ? {} : { site }),
  ...(group === undefined ? {} : { group }),
})

const until = ({ holdUntilMs }: SiteView): string =>
  holdUntilMs === null ? 'until it is resumed' : `until ${new Date(holdUntilMs).toISOString()}`

/** `engine pause`: sites stay on what they serve, for a time or until they are resumed. */
export async function pause(context: Context, flags: PauseFlags): Promise<number> {
  const forMs = flags.for === undefined ? {} : { forMs: flag('--for', flags.for, parseDurationMs) }
  const items = await (await context.connect()).pause({ ...named(flags), reason: flags.reason, ...forMs })
  if (context.output.json) context.output.data({ items })
  else
    for (const site of items) context.output.print(printable(`${site.site} is held ${until(site)}: ${site.holdReason}`))
  return 0
}

/** `engine resume`: sites go on; jobs that waited for them start. */
export async function resume(context: Context, flags: ResumeFlags): Promise<number> {
  const reason = flags.reason === undefined ? {} : { reason: flags.reason }
  const items = await (await context.connect()).resume({ ...named(flags), ...reason })
  if (context.output.json) context.output.data({ items })
  else for (const site of items) context.output.print(`${site.site} goes on`)
  return 0
}
