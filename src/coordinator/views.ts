import { EngineError } from '../base/errors.js'
import { formatDuration } from '../base/quantities.js'
import { holdAt } from '../jobs/hold.js'
import type { NodeView } from '../model/node.js'
import type { SiteView } from '../model/site.js'
import { isSame } from '../track/reconcile.js'
import { whyDamaged } from './drifting.js'
import { nodesOf } from './audience.js'
import type { KnownNode } from './roster.js'
import { dueOn, nextFor } from './steering.js'
import type { World } from './world.js'

/** Every node that ever joined, by name. */
export function nodeViews(world: World): readonly NodeView[] {
  return world.roster.all.map((known) => {
    const { identity, link, lastSeenMs, hooks, publicKey } = known
    const limit = known.limit === null ? {} : { limit: known.limit }
    const rate = world.uplinks.rateOf(identity.id)
    const uplink = rate === null ? {} : { uplink: rate }
    const sites = [...known.sites.values()]
    const online = link !== null
    return {
      ...identity,
      online,
      lastSeenMs,
      sites,
      reason: reasonOf(world, known),
      hooks,
      publicKey,
      ...uplink,
      ...limit,
    }
  })
}

/** Why a node does not serve what it should; null when it does. */
function reasonOf(world: World, known: KnownNode): string | null {
  const behind = [...world.sites.keys()].flatMap((site) => {
    const reasons = [whyDamaged(known, site), whyBehind(world, known, site)]
    return reasons.filter((why) => why !== null)
  })
  for (const { site, live, trouble } of known.sites.values()) {
    if (trouble !== undefined && live !== null) behind.push(`${site}@${live.release} is live, but ${trouble}`)
  }
  if (known.link === null) {
    const awayMs = Math.max(0, world.clock.nowMs() - known.lastSeenMs)
    return [`it has not answered for ${formatDuration(awayMs)}`, ...behind].join('; ')
  }
  return behind.length === 0 ? null : behind.join('; ')
}

function whyBehind(world: World, known: KnownNode, site: string): string | null {
  const target = dueOn(world, known, site)
  const next = nextFor(world, known, site)
  if (target === null || next === null || isSame(known.holdings(site).live, target)) return null
  const { action } = next
  const { failure } = known.task(site)
  const release = `${site}@${target.release}`
  if (failure !== null) return `${release} is missing: ${failure.message}`
  if (known.link === null) return `${release} is missing`
  return action.do === 'wait' ? `${release} is missing: ${action.reason}` : `${release} is on its way`
}

/** Every site, by name. */
export async function siteViews(world: World): Promise<readonly SiteView[]> {
  const views = [...world.sites.keys()].map((site) => siteView(world, site))
  const all = await Promise.all(views)
  return all.sort((a, b) => (a.site < b.site ? -1 : 1))
}

/** One site. @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN. */
export async function siteView(world: World, site: string): Promise<SiteView> {
  const record = world.sites.get(site)?.record
  if (record === undefined) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
  const { group, target } = record
  const hold = holdAt(record.hold, world.clock.nowMs())
  const releases = (await world.store.releases.list(site, { heldOnly: true })).map((each) => each.release)
  const nodes = nodesOf(world, record)
  const live = target === null ? [] : nodes.filter((known) => isSame(known.holdings(site).live, target))
  return {
    ...{ site, group, targetRelease: target?.release ?? null, targetTreeHash: target?.treeHash ?? null },
    ...{ holdReason: hold?.reason ?? null, holdUntilMs: hold?.untilMs ?? null },
    ...{ nodesLive: live.length, nodeCount: nodes.length, releases },
  }
}
