import type { BandwidthView } from './bandwidth.js'
import type { HookInfo } from './hook.js'
import type { RateView } from './rate.js'

/** Where a process listens for peers of the data plane. */
export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/** Where a process serves the data plane. */
export interface DataListen extends PeerAddress {
  /** What it is called where others reach it; null: they reach it where it listens. */
  readonly announceHost: string | null
}

/** One node as a plan names it: 32 hexadecimal digits of identity, and where it listens. */
export interface PeerRef extends PeerAddress {
  readonly nodeId: string
}

/** Who a node is, as it says when it connects. */
export interface NodeIdentity {
  /** 32 lower-case hexadecimal digits, made once and kept in the data directory. */
  readonly id: string
  /** What people call it; unique among the nodes of a coordinator. */
  readonly name: string
  readonly groups: readonly string[]
  readonly segment: string
  readonly dataAddress: PeerAddress
}

/** A node as the coordinator knows it. */
export interface NodeView extends NodeIdentity {
  readonly online: boolean
  readonly lastSeenMs: number
  /** Releases by site: what is live, and what is held ready. */
  readonly sites: readonly NodeSite[]
  /** Why it does not answer or is behind; null when all is well. */
  readonly reason: string | null
  /** What jobs may name on it; null: it has not said since the coordinator started. */
  readonly hooks: readonly HookInfo[] | null
  /** Signs its reports: 64 hexadecimal digits; null for a node that has no key. */
  readonly publicKey: string | null
  /** What it was measured to be able to send, in this life of the coordinator; absent: nobody has measured it. */
  readonly uplink?: RateView | undefined
  /** How fast it may send; absent: it is not connected, or has not said. */
  readonly limit?: BandwidthView | undefined
}

/** What one node holds of one site. */
export interface NodeSite {
  readonly site: string
  /** What readers see; null also when that is damaged. */
  readonly live: ReleaseRef | null
  readonly held: readonly ReleaseRef[]
  /** What is wrong although it is live, such as a hook after the switch that failed; absent: nothing. */
  readonly trouble?: string | undefined
  /** On its disk, but not what was promised: neither live nor held counts them. Absent: none. */
  readonly damaged?: readonly DamagedRelease[] | undefined
}

/** A release that was found to differ from its manifest. */
export interface DamagedRelease extends ReleaseRef {
  /** Readers see it all the same. */
  readonly live: boolean
  /** Somebody asked for its mending, whatever the coordinator is configured to do. */
  readonly mend: boolean
}

/** A release by number, with the hash of its tree (64 hexadecimal digits). */
export interface ReleaseRef {
  readonly release: number
  readonly treeHash: string
}
