import type { NodeSite, ReleaseRef } from '../model/node.js'
import { isSame } from '../track/reconcile.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/**
 * Has a node drop what it staged and nobody will ever make live: of jobs that came to nothing while it was away, of
 * attempts that were begun anew. What is not on record stays, and what was live there goes only when its job failed.
 */
export async function discardVain(world: World, known: KnownNode): Promise<void> {
  const sound = new Set<string>()
  for (const holdings of known.sites.values()) {
    const { site } = holdings
    const unsure: ReleaseRef[] = []
    for (const each of holdings.held) {
      const isTarget = isSame(world.sites.get(site)?.record.target ?? null, each)
      if (isTarget || known.sound.has(keyOf(site, each))) sound.add(keyOf(site, each))
      // Judged before it is asked what is on record: a job writes that it has committed before it lets go of a release.
      else if (!isAtWork(world, site, each)) unsure.push(each)
    }
    for (const each of await discardOf(world, known, holdings, unsure)) sound.add(keyOf(site, each))
  }
  known.sound = sound
}

/** @returns those that are no such releases. */
async function discardOf(
  world: World,
  known: KnownNode,
  { site, live }: NodeSite,
  unsure: readonly ReleaseRef[],
): Promise<readonly ReleaseRef[]> {
  if (unsure.length === 0) return []
  const undecided = await world.store.releases.undecided(
    site,
    unsure.map(({ release }) => release),
  )
  // A number alone is not enough: a database put back from a backup may count it twice.
  const vain = undecided.filter((each) => unsure.some((held) => isSame(held, each)))
  for (const { release, jobId } of vain) {
    const discard = { ...(await discardFor(world, jobId, release)), release }
    // A canary that was away when it was to switch back does so first.
    if (release === live?.release) known.task(site).vain = discard
    else known.link?.send({ type: 'discard', site, ...discard })
    world.log.info({ node: known.identity.name, site, release, jobId }, 'told to drop what came to nothing')
  }
  return unsure.filter((held) => !undecided.some(({ release }) => release === held.release))
}

const keyOf = (site: string, { release, treeHash }: ReleaseRef): string => `${site}@${release}.${treeHash}`

/** A job that has not ended may make it live. */
function isAtWork(world: World, site: string, { release }: ReleaseRef): boolean {
  return [...world.jobs.values()].some(({ record }) => record.site === site && record.release === release)
}

/** How it is dropped: what it was fetched as (null: not on record any more), and also when it was live as a canary. */
async function discardFor(
  world: World,
  jobId: string,
  release: number,
): Promise<{ readonly assignmentId: string | null; readonly evenLive?: true }> {
  const job = await world.store.jobs.get(jobId)
  const assignmentId = job?.release === release ? (job.assignment?.id ?? null) : null
  const isOver = job?.state === 'failed' || job?.state === 'aborted'
  return { assignmentId, ...(isOver ? { evenLive: true } : {}) }
}
