import { BANDWIDTH_OFF, parseLimitBps } from '../model/bandwidth.js'
import { type Pace, usualPace } from '../model/pace.js'
import type { JobFacts } from './job.js'

/** How fast the content of a job is sent by each of its senders. Pure. */
export function paceOf({ policy, paused = false }: Pick<JobFacts, 'policy' | 'paused'>): Pace {
  const { bwlimit = BANDWIDTH_OFF, priority = usualPace.weight } = policy
  return { rateBps: parseLimitBps(bwlimit), weight: priority, isPaused: paused }
}

/** Whether it says nothing that would not hold anyway. Pure. */
export const isUsual = ({ rateBps, weight, isPaused }: Pace): boolean =>
  rateBps === null && weight === usualPace.weight && !isPaused
