import { EngineError } from '../base/errors.js'
import type { ReleaseRef } from '../model/node.js'
import { foldPart } from '../track/fold.js'
import { holds } from '../track/reconcile.js'
import { nodesOf, requireQuorum } from './audience.js'
import type { LiveJob } from './live-job.js'
import { advance, type World } from './world.js'

/**
 * Finds the release to go back to and notes who holds it. Nothing is packed: who lacks it gets it
 * after the decision, as any node that was away.
 * @param asked  null: the newest kept release before the live one.
 * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN, ENGINE_ERR_RELEASE_UNKNOWN, ENGINE_ERR_GROUP_EMPTY,
 * ENGINE_ERR_QUORUM when no node answers.
 */
export async function prepareRollback(world: World, job: LiveJob, asked: number | null): Promise<void> {
  const { site } = job.record
  const nodes = nodesOf(world, job.record)
  const release = await releaseToGoBackTo(world, job, asked)
  // What is bad goes wherever it can.
  requireQuorum(world, job.record, 0)
  const { treeHash } = release
  job.renewParts(world.clock.monotonicMs())
  const happening = { type: 'numbered', release: release.release, baseRelease: null } as const
  await advance(world, job, happening, { patch: { treeHash } })
  for (const known of nodes) {
    const part = job.part(known.identity.id)
    if (part === undefined || !holds(known.holdings(site), release)) continue
    job.setPart(foldPart(part, { type: 'staged' }), world.clock.monotonicMs())
  }
}

/** The release asked for, or the newest kept one before the live one. */
async function releaseToGoBackTo(world: World, job: LiveJob, asked: number | null): Promise<ReleaseRef> {
  const { site } = job.record
  const target = (await world.store.sites.require(site)).target
  const kept = await world.store.releases.list(site, { heldOnly: true })
  const found = kept.find((each) => (asked === null ? each.release < (target?.release ?? 0) : each.release === asked))
  if (found === undefined || !(await world.content.holds(site, found))) {
    const said = asked === null ? { message: `there is no older release of ${site} to go back to` } : {}
    throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release: asked }, said)
  }
  return { release: found.release, treeHash: found.treeHash }
}
