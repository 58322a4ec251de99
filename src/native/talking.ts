// In: who calls, or what came on a connection. Out: the first bytes of a talk; who is at its other end.
// Never: a second implementation of the data plane's messages.
import { guarded } from './fault.js'
import { engine } from './load.js'

/** Who is at the other end, as it says. */
export interface Greeting {
  /** Of the message; the talk begins behind it. */
  readonly bytes: number
  readonly nodeId: string
  readonly name: string
}

/** What a node that connects to talk sends first. @param nodeId 32 hexadecimal digits. */
export function talkOpening(nodeId: string, name: string): Buffer {
  return guarded(() => engine().talkOpening(nodeId, name))
}

/**
 * Reads the greeting at the front of what a relay has sent; null while it is not whole.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT: it is none.
 */
export function readGreeting(bytes: Uint8Array): Greeting | null {
  return guarded(() => engine().readGreeting(bytes))
}
