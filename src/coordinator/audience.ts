import { EngineError } from '../base/errors.js'
import { judgeQuorum, quorumError } from '../jobs/quorum.js'
import type { SiteRecord } from '../store/sites.js'
import { silenceOf } from '../track/silence.js'
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

/** Why nobody should wait for a node of a job any longer; null: it is there, or may be on its way back. */
export function absenceOf(world: World, nodeId: string): string | null {
  const presence = world.roster.get(nodeId)?.presence ?? { online: false, lastHeardMs: null }
  return silenceOf(presence, world.openedAtMs, world.clock.monotonicMs())
}

/**
 * Refuses what too few could take part in: whoever is silent for too long counts as away.
 * @param quorum  share (0–1) that is needed; 0: one node.
 * @throws {EngineError} ENGINE_ERR_GROUP_EMPTY, ENGINE_ERR_QUORUM.
 */
export function requireQuorum(world: World, audience: Audience, quorum: number): void {
  const nodes = nodesOf(world, audience)
  if (nodes.length === 0) throw new EngineError('ENGINE_ERR_GROUP_EMPTY', { group: audience.group })
  const states = nodes.map(({ identity }) => (absenceOf(world, identity.id) === null ? 'new' : 'behind'))
  const count = judgeQuorum(states, quorum)
  if (count.verdict !== 'missed') return
  throw quorumError({ ...count, ready: states.filter((state) => state === 'new').length }, 'answer')
}

/** Whether a node serves a site. */
export function serves(world: World, known: KnownNode, site: string): boolean {
  const record = world.sites.get(site)?.record
  return record !== undefined && isAmong(record, known)
}
