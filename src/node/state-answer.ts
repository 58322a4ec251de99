import { NODE_STATE_COMMANDS_MAX } from '../base/ending-limits.js'
import type { NodeCommand } from '../model/node-state.js'
import { type ExecutedCommand, executedKey } from './state.js'

/** A command by its job and its number there. */
export interface CommandRef {
  readonly jobId: string
  readonly number: number
}

/** What a node knows of the commands that it was told. */
export interface Known {
  readonly executed: Iterable<ExecutedCommand>
  /** Received and not answered: they wait for their turn, unless one of the others says more. */
  readonly waiting: Iterable<CommandRef>
  /** Being fetched or written, with how much of it is there. */
  readonly staging: Iterable<CommandRef & { readonly bytesHave: number }>
  /** A switch with its hooks that is being carried out. */
  readonly atWork: Iterable<CommandRef>
  /** The node that brought it; null: the coordinator. */
  readonly viaOf?: (command: CommandRef) => string | null
}

const phases = { executing: 'in-progress', completion: 'completed', failure: 'failed' } as const

/** Where each command stands, each once; of too many those that are over longest are left out. Pure. */
export function commandsOf({ executed, waiting, staging, atWork, viaOf }: Known): NodeCommand[] {
  const all = new Map<string, NodeCommand>()
  const put = ({ jobId, number }: CommandRef, rest: Pick<NodeCommand, 'state' | 'bytesHave'>): void => {
    const key = executedKey({ jobId, number })
    // The newest word goes to the end: it is the last to be left out.
    all.delete(key)
    const via = viaOf?.({ jobId, number }) ?? null
    all.set(key, { jobId, number, ...rest, ...(via === null ? {} : { via }) })
  }
  for (const each of executed) put(each, { state: phases[each.phase], bytesHave: 0 })
  for (const each of waiting) if (!all.has(executedKey(each))) put(each, { state: 'new', bytesHave: 0 })
  for (const each of staging) put(each, { state: 'in-progress', bytesHave: each.bytesHave })
  for (const each of atWork) put(each, { state: 'in-progress', bytesHave: 0 })
  return [...all.values()].slice(-NODE_STATE_COMMANDS_MAX)
}
