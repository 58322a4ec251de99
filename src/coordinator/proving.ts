import { EngineError } from '../base/errors.js'
import { JOB_COMMANDS_MAX } from '../base/limits.js'
import type { NodeLink } from '../control/door/channel.js'
import type { Report } from '../control/schema/channel.js'
import { isReportSigned } from '../model/proof.js'
import { serves } from './audience.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** Whether a report is its node's own: signed with the key that it told, or by one that never had a key. */
function isProven(known: KnownNode, report: Report): boolean {
  const { publicKey, identity } = known
  const { signature } = report
  if (publicKey === null || signature === undefined) return publicKey === null && signature === undefined
  return isReportSigned({ ...report, nodeId: identity.id }, publicKey, signature)
}

/** Why a report may not be recorded; null: it may. */
async function refusalOf(world: World, known: KnownNode, report: Report): Promise<EngineError | null> {
  const { jobId, number, signature } = report
  const facts = { node: known.identity.name, number, jobId }
  if (!isProven(known, report)) {
    const what = signature === undefined ? 'is not signed' : 'has a wrong signature'
    return new EngineError('ENGINE_ERR_REPORT_UNPROVEN', { ...facts, what })
  }
  return (await isOwn(world, known, report)) ? null : new EngineError('ENGINE_ERR_REPORT_FOREIGN', facts)
}

/**
 * Whether a report is about something that its node was asked: it is of the job, or serves the site and is brought to
 * what the job decided, and the job has such a command. What anybody else says would be evidence of a job in which it
 * has no part. Of a job that is not kept nothing is recorded.
 */
async function isOwn(world: World, known: KnownNode, { jobId, site, number }: Report): Promise<boolean> {
  const live = world.jobs.get(jobId)
  const record = live?.record ?? (await world.store.jobs.get(jobId))
  if (record === null) return true
  if (record.site !== site) return false
  // Beyond them are the checks of canaries and repairs.
  if (live !== undefined && number <= JOB_COMMANDS_MAX && number > live.commands.length) return false
  const { id } = known.identity
  if (serves(world, known, site) || live?.part(id) !== undefined) return true
  return live === undefined && (await world.store.jobNodes.has(jobId, id))
}

/**
 * Looks whether a report may be recorded. One that may not is not acknowledged either; the node is told, so that it
 * does not send it for ever. What it holds it says in its hello and its holdings all the same.
 */
export async function takesReport(world: World, known: KnownNode, link: NodeLink, report: Report): Promise<boolean> {
  const error = await refusalOf(world, known, report)
  if (error === null) return true
  const { reportId } = report
  world.metrics.add('engine_report_refusals_total', {}, 1)
  world.log.error({ err: error, nodeId: known.identity.id, reportId }, 'a report is not recorded')
  link.send({ type: 'refuse-report', reportId, code: error.code, message: error.message })
  return false
}
