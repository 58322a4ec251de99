import { EngineError } from '../base/errors.js'
import type { ReleaseRef } from '../model/node.js'
import type { ReleaseRecord } from '../store/releases.js'
import { foldPart } from '../track/fold.js'
import { holds } from '../track/reconcile.js'
import { nodesOf, requireQuorum } from './audience.js'
import type { LiveJob } from './live-job.js'
import { advance, type World } from './world.js'

/**
 * Finds the release to go back to and notes who holds it. Nothing is packed: who lacks it gets it
 * after the decision, as any node that was away.
 * @param asked  null: the newest kept one of those that were live before.
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

/** The release asked for, or the newest kept one of those that were live before. */
async function releaseToGoBackTo(world: World, job: LiveJob, asked: number | null): Promise<ReleaseRef> {
  const { site } = job.record
  const target = (await world.store.sites.require(site)).target
  const records = await world.store.releases.list(site)
  const line = target === null ? [] : lineOf(records, target.release)
  const found = (asked === null ? line : records).find(
    ({ release, held }) => held && (asked === null || release === asked),
  )
  if (found === undefined || !(await world.content.holds(site, found))) {
    const said =
      asked === null
        ? { message: `there is no release of ${site} to go back to: none that was live before is kept` }
        : {}
    throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release: asked }, said)
  }
  return { release: found.release, treeHash: found.treeHash }
}

/**
 * What was live before a release, newest first: what it took the place of, and so on. A release that was gone back
 * from is none of them, unless something was published on top of it. Pure.
 */
export function lineOf(records: readonly ReleaseRecord[], from: number): readonly ReleaseRecord[] {
  const byNumber = new Map(records.map((record) => [record.release, record]))
  const line: ReleaseRecord[] = []
  let at = byNumber.get(from)
  while (at !== undefined) {
    // A base is older, always: what says otherwise ends it.
    const base = at.baseRelease === null || at.baseRelease >= at.release ? undefined : byNumber.get(at.baseRelease)
    if (base !== undefined) line.push(base)
    at = base
  }
  return line
}
