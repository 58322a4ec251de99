import type { Drift } from '../control/schema/channel.js'
import { describe, type Verification } from '../model/verification.js'
import type { KnownNode } from './roster.js'
import { steer } from './steering.js'
import type { World } from './world.js'

/** A node found damage: it is counted, shown with the node, and mended as the coordinator is configured. */
export function takeDrift(world: World, known: KnownNode, { found }: Drift): void {
  const { site, release, mismatches } = found
  const group = world.sites.get(site)?.record.group
  if (group === undefined) return
  known.task(site).drift = found
  const facts = { node: known.identity.name, site, release, mismatches, findings: found.findings.slice(0, 10) }
  world.log.warn(facts, 'a node serves what was not staged')
  world.metrics.add('engine_verify_mismatches_total', { site, group }, mismatches)
  steer(world, known, site)
}

/** Why a node's release counts for nothing; null when nothing of the site is damaged there. */
export function whyDamaged(known: KnownNode, site: string): string | null {
  const damaged = known.holdings(site).damaged ?? []
  if (damaged.length === 0) return null
  const { drift } = known.task(site)
  const texts = damaged.map(({ release }) => `${site}@${release} is damaged there${detailsOf(drift, release)}`)
  return texts.join('; ')
}

function detailsOf(drift: Verification | null, release: number): string {
  return drift?.release === release ? `: ${describe(drift)}` : ''
}
