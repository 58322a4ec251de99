import type { Order } from './channel.js'
import type { Answered } from './reports.js'

/** What is carried out, and takes its time. */
export type Command = Exclude<
  Order,
  { type: 'plan' | 'ack' | 'refuse-report' | 'check' | 'query' | 'look' | 'send' | 'word' | 'limit' | 'pace' | 'probe' }
>

/** What an answer to an order is about. */
export function answeredOf(order: Exclude<Command, { type: 'discard' }>): Answered {
  const { commandId, jobId, number, site } = order
  const about = { commandId, jobId, number, site }
  if (order.type === 'execute') return { ...about, command: order.command.type, release: null, treeHash: null }
  const { release, treeHash } = order
  return { ...about, command: order.type === 'stage' ? 'publish' : order.command, release, treeHash }
}
