import type { SiteRecord } from '../store/sites.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** Who serves a site: the nodes that it names, or all of its group. */
export type Audience = Pick<SiteRecord, 'group' | 'only'>

/** Whether a node is one of them. Pure. */
export function isAmong({ group, only }: Audience, { identity }: KnownNode): boolean {
  return only === null ? identity.groups.includes(group) : only.includes(identity.name)
}

/** All of them that ever joined, by name. */
export function nodesOf(world: World, audience: Audience): readonly KnownNode[] {
  return world.roster.all.filter((known) => isAmong(audience, known))
}

/** Whether a node serves a site. */
export function serves(world: World, known: KnownNode, site: string): boolean {
  const record = world.sites.get(site)?.record
  return record !== undefined && isAmong(record, known)
}
