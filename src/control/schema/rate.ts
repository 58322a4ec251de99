import { z } from 'zod'
import { measureKinds, type ProbeRequest, type ProbeView, type RateView } from '../../model/rate.js'
import { count, name, named, timeMs } from './registry.js'

const how = z.enum(measureKinds).describe('A short train, many bytes, or what transfers sent anyway.')
const rateBps = count.describe('Bits per second.')

export const rateView: z.ZodType<RateView> = named(
  'Rate',
  z.object({
    rateBps,
    how,
    measuredAtMs: timeMs,
    ageMs: count.describe('How long ago the newest of it was measured.'),
    isStale: z.boolean().describe('All of it is too old to be relied on.'),
  }),
)

/** What a POST to /v1/nodes/:name/probe carries. */
export const probeRequest: z.ZodType<ProbeRequest> = named(
  'ProbeRequest',
  z.strictObject({
    from: name
      .optional()
      .describe('Only what this node (or `coordinator`) can send to it. Else both ways with the coordinator.'),
    bulk: z.boolean().optional().describe('By up to 64 MiB, for three seconds at most, instead of a short train.'),
    force: z.boolean().optional().describe('Also while content is on its way, which makes both slower.'),
  }),
)

export const probeView: z.ZodType<ProbeView> = named(
  'Probe',
  z.object({
    from: name,
    to: name,
    how,
    rateBps,
    spanMs: z.number().min(0).describe('How long the rate was seen.'),
    bytes: count.describe('That arrived.'),
  }),
)

export interface ProbeList {
  readonly items: readonly ProbeView[]
}
export const probeList: z.ZodType<ProbeList> = named('ProbeList', z.object({ items: z.array(probeView) }))
