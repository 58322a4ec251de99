import { isLoopback } from '../base/loopback.js'
import type { Stage } from '../control/schema/channel.js'
import type { DataListen, PeerAddress, PeerRef } from '../model/node.js'

/** Who listens on every address does not know by which of them another reaches it: that is seen at the other end. */
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'

/** IPv4 as a socket for both families shows it. */
const plain = (address: string): string => address.replace(/^::ffff:/, '')

/**
 * What this node tells peers of itself.
 * @param localAddress this end of its connection with the coordinator; empty when there is none.
 */
export function announced(data: DataListen, port: number, localAddress: string): PeerAddress {
  const own = isWildcard(data.host) && localAddress !== '' ? plain(localAddress) : data.host
  return { host: data.announceHost ?? own, port }
}

/**
 * A plan in which the source can be reached: a coordinator that listens on every address stands in its plans
 * with a wildcard, and is where this node found it. A node that the coordinator knows by a loopback address is on
 * the same machine.
 * @param remoteAddress the coordinator's end of the connection with it; empty when there is none.
 */
export function reachable(plan: Stage['plan'], remoteAddress: string): Stage['plan'] {
  const at = (peer: PeerRef): PeerRef => reachablePeer(peer, remoteAddress)
  return { ...plan, parents: plan.parents.map((strand) => strand.map(at)), peers: plan.peers.map(at) }
}

/** The same for one peer, which may be the coordinator. */
export function reachablePeer(peer: PeerRef, remoteAddress: string): PeerRef {
  const host = plain(remoteAddress)
  const isElsewhere = host !== '' && !isLoopback(host)
  return (isWildcard(peer.host) && host !== '') || (isLoopback(peer.host) && isElsewhere) ? { ...peer, host } : peer
}

/** An order in whose plans the source can be reached. */
export function inReach<T extends Pick<Stage, 'plan' | 'reserve'>>(order: T, remoteAddress: string): T {
  const plan = reachable(order.plan, remoteAddress)
  if (order.reserve === undefined) return { ...order, plan }
  return { ...order, plan, reserve: reachable(order.reserve, remoteAddress) }
}
