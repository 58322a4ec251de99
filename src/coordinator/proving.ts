import { EngineError } from '../base/errors.js'
import type { NodeLink } from '../control/door/channel.js'
import type { Report } from '../control/schema/channel.js'
import { isReportSigned } from '../model/proof.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** Whether a report is its node's own: signed with the key that it told, or by one that never had a key. */
function isProven(known: KnownNode, report: Report): boolean {
  const { publicKey, identity } = known
  const { signature } = report
  if (publicKey === null || signature === undefined) return publicKey === null && signature === undefined
  return isReportSigned({ ...report, nodeId: identity.id }, publicKey, signature)
}

/**
 * Looks whether a report may be recorded. One that may not is not acknowledged either; the node is told, so that it
 * does not send it for ever. What it holds it says in its hello and its holdings all the same.
 */
export function takesReport(world: World, known: KnownNode, link: NodeLink, report: Report): boolean {
  if (isProven(known, report)) return true
  const { jobId, number, reportId } = report
  const what = report.signature === undefined ? 'is not signed' : 'has a wrong signature'
  const error = new EngineError('ENGINE_ERR_REPORT_UNPROVEN', { node: known.identity.name, number, jobId, what })
  world.metrics.add('engine_report_refusals_total', {}, 1)
  world.log.error({ err: error, nodeId: known.identity.id, reportId }, 'a report is not recorded')
  link.send({ type: 'refuse-report', reportId, code: error.code, message: error.message })
  return false
}
