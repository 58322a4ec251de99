import { formatDuration } from '../../base/quantities.js'
import type { Context } from '../context.js'
import { table } from '../output.js'

/** `engine job explain JOB`: how the job came to its end, a line an event: when, which node, what was done, why. */
export async function explain(context: Context, jobId: string): Promise<number> {
  const api = await context.connect()
  const items = await api.explain(jobId)
  if (context.output.json) context.output.data({ items })
  else if (items.length === 0) {
    const { state, finishedAtMs } = await api.job(jobId)
    const why = finishedAtMs === null ? 'it has not been told to end yet' : `it is ${state}: nobody was waited for`
    context.output.note(why)
  } else {
    const { commands, finishedAtMs } = await api.job(jobId)
    const end = commands.find(({ request }) => request.type === 'end-job')
    const firstMs = items[0]?.atMs ?? finishedAtMs ?? 0
    const fromMs = Math.min(end?.startedAtMs ?? firstMs, firstMs)
    const rows = items.map(({ atMs, node, kind, rung, reason }) => {
      const what = rung === null ? kind : `${kind}: ${rung}`
      return [`+${formatDuration(Math.max(0, atMs - fromMs))}`, node ?? '', what, reason]
    })
    for (const line of table(['AT', 'NODE', 'WHAT', 'WHY'], rows, context.output.dataColumns))
      context.output.print(line)
  }
  return 0
}
