// In: an interface's address. Out: what batched datagram sockets can do there, tried with real datagrams.
// Never: a datagram beyond the interface (TTL 0).
import { guardedAsync } from './fault.js'
import { multicast } from './load.js'

/** What was tried on one interface; `notes` name each refusal with its errno. */
export interface DatagramProbe {
  /** A datagram sent to the group came back through the interface. */
  readonly multicast: boolean
  /** The kernel cut a train of segments (UDP_SEGMENT). */
  readonly gso: boolean
  /** Received datagrams came coalesced (UDP_GRO). */
  readonly gro: boolean
  /** As the kernel granted them. */
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  readonly received: number
  readonly sent: number
  /** Datagrams that the kernel dropped at the receiving socket. */
  readonly dropped: number
  readonly notes: readonly string[]
}

/**
 * Joins `group` on the interface with `interfaceAddress`, sends it a train of datagrams and reads them back.
 * Runs on a worker thread and takes at most a second.
 * @param port  0: any free one.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT for what is no IPv4 address; a refusal by the kernel is a note.
 */
export function probeDatagrams(interfaceAddress: string, group: string, port: number): Promise<DatagramProbe> {
  return guardedAsync(() => multicast().probe(interfaceAddress, group, port))
}
