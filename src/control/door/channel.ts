// In: nothing; these are words. Out: both ends of one node's channel, as the coordinator and the channel see them.
// Never: code that runs.
import type { FromCoordinator, FromNode } from '../schema/channel.js'

/** The coordinator's end of one node's channel. Both methods never throw; after close they do nothing. */
export interface NodeLink {
  send(message: FromCoordinator): void
  /** Tells the node why (`refuse`), then closes the socket. */
  close(code: string, message: string): void
}

/**
 * What the channel tells the coordinator of one node. `onClosed` is called exactly once, last. When a
 * node connects anew while its old socket is still open, the old session hears `onClosed` first.
 */
export interface NodeSession {
  onMessage(message: FromNode): void
  /** It gave a sign of life that says nothing else. */
  onAlive(): void
  onClosed(): void
}
