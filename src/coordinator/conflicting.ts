import { EngineError } from '../base/errors.js'
import type { JobRequest } from '../model/job.js'
import type { LiveJob } from './live-job.js'
import { isBound } from './waiting.js'
import type { World } from './world.js'

/**
 * Applies what a request says of other jobs of its site.
 * @returns those that give way to it: none of them has decided.
 * @throws {EngineError} ENGINE_ERR_CONFLICT when it is to fail where there is one.
 */
export async function giveWay(world: World, { site, policy }: JobRequest): Promise<readonly LiveJob[]> {
  const others = [...world.jobs.values()].filter((job) => job.record.site === site)
  const [first] = others
  if (policy.onConflict === 'supersede') return others.filter((job) => !isBound(job))
  if (policy.onConflict !== 'fail' || first === undefined) return []
  const actors = await world.store.audit.actorsOf([first.id])
  const { state, createdAtMs } = first.record
  const since = new Date(createdAtMs).toISOString()
  const why = `${actors.get(first.id) ?? 'somebody'} asked for it at ${since}, and it is ${state}`
  const facts = { what: `job ${first.id}`, why, jobId: first.id }
  const hint = `wait for it, stop it with \`engine abort ${first.id}\`, or say --on-conflict queue or supersede`
  throw new EngineError('ENGINE_ERR_CONFLICT', facts, { hint })
}
