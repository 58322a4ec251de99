import { RELEASES_KEPT } from '../base/limits.js'
import { lineOf } from './rolling-back.js'
import { closeIdleTransfers } from './sending.js'
import { activeJob, refreshSite, type World } from './world.js'

/**
 * Drops releases of the shadow beyond the kept ones, and assignments of releases that are gone. What
 * is live, or a job at work needs, always stays. The database forgets first, then files go.
 */
export async function pruneSite(world: World, site: string): Promise<void> {
  // Read first: what a job that starts meanwhile makes is not in it.
  const assignments = await world.store.assignments.list({ site })
  const kept = await pruneReleases(world, site)
  // A transfer that nobody needs any more would hold its files until the next job ends.
  closeIdleTransfers(world)
  const open = new Set(world.transfers.openIds)
  for (const { id, serial, release } of assignments) {
    if (kept.has(release) || open.has(id)) continue
    await world.store.assignments.remove(id)
    await world.content.dropAssignment(serial)
  }
  await refreshSite(world, site)
}

/** Gives the releases that are kept. */
async function pruneReleases(world: World, site: string): Promise<ReadonlySet<number>> {
  const { store, content, log } = world
  const target = world.sites.get(site)?.record.target?.release ?? null
  const job = activeJob(world, site)
  const pinned = [target, job?.record.release ?? null, job?.record.baseRelease ?? null].filter((each) => each !== null)
  const records = await store.releases.list(site)
  const held = records.filter((each) => each.held).map((each) => each.release)
  // What a rollback would go to stays before one that was gone back from.
  const before = target === null ? [] : lineOf(records, target).map((each) => each.release)
  const byUse = [...new Set([...before.filter((each) => held.includes(each)), ...held])]
  const further = byUse
    .filter((release) => !pinned.includes(release))
    .slice(0, Math.max(0, RELEASES_KEPT - pinned.length))
  const kept = new Set([...pinned, ...further])
  for (const release of held.filter((each) => !kept.has(each))) {
    await store.releases.setHeld(site, release, false)
    await content.shadow.drop(site, release)
    log.info({ site, release }, 'old release dropped')
  }
  // What was damaged is not on record as held; a job that starts meanwhile makes newer ones than what is live.
  const lost = (await content.shadow.standing(site)).filter((each) => !kept.has(each) && each < (target ?? 0))
  for (const release of lost) await content.shadow.drop(site, release)
  return kept
}
