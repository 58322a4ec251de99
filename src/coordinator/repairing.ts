import { toEngineError } from '../base/errors.js'
import type { Rung } from '../model/account.js'
import type { Answer } from '../track/accounting.js'
import { checkNode } from './checking.js'
import { executeOf } from './executing.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import { steer } from './steering.js'
import { inBackground, type World } from './world.js'

/** The hook that a node declares to be restarted by. */
const RESTART_HOOK = 'restart'

/** Whether a node declares that hook, for this site, without an argument that must be given. Pure. */
export function canRestart({ hooks }: KnownNode, site: string): boolean {
  const hook = hooks?.find(({ name }) => name === RESTART_HOOK)
  if (hook === undefined || hook.on !== null) return false
  return (hook.sites?.includes(site) ?? true) && hook.arguments.every(({ required }) => !required)
}

/** Does for a node what a rung says, then has it begin anew. Never throws: what comes of it the node reports. */
export function repair(world: World, job: LiveJob, known: KnownNode, rung: Rung, answer: Answer | null): void {
  const { site } = job.record
  switch (rung) {
    case 'resend':
      // Who reads nothing on this connection may on the next.
      if (answer?.says === 'silent') known.link?.close('ENGINE_ERR_NODE_SILENT', answer.reason)
      else again(world, known, site)
      return
    case 'resync':
      known.task(site).wholeOnly = true
      again(world, known, site)
      return
    case 'self-check':
      inBackground(world, 'a check of a node', async () => {
        await selfCheck(world, job, known)
        again(world, known, site)
      })
      return
    case 'restart':
      inBackground(world, 'restarting a node', async () => {
        await restart(world, job, known)
        again(world, known, site)
      })
      return
  }
}

/** What it was told counts for nothing: it is told anew. */
function again(world: World, known: KnownNode, site: string): void {
  const task = known.task(site)
  task.failure = null
  task.underWay = null
  known.owedTold = null
  steer(world, known, site)
}

async function selfCheck(world: World, { release, record: { site } }: LiveJob, known: KnownNode): Promise<void> {
  try {
    await checkNode(world, known, { site, release: release?.release ?? null, rateBps: null, repair: true })
  } catch (error) {
    world.log.warn({ err: toEngineError(error), node: known.identity.name, site }, 'a node could not check itself')
  }
}

/** Has it run its own hook, as a command of the job that comes after all others. */
async function restart(world: World, job: LiveJob, known: KnownNode): Promise<void> {
  const receipts = await world.store.receipts.list(job.id)
  const last = Math.max(job.commands.at(-1)?.number ?? 0, ...receipts.map(({ number }) => number))
  const request = { type: 'run-hook', hook: RESTART_HOOK, args: {} } as const
  known.link?.send(executeOf({ jobId: job.id, number: last + 1, site: job.record.site, request }, null))
}
