import type { Commit, Execute } from '../../control/schema/channel.js'
import { indexIn, type WordCommand, type WordTarget } from '../../model/word.js'
import { executedKey, isLive, type NodeState, wordsOf } from '../state.js'
import type { KeptWord } from './shelf.js'

/** What a node has still to do of its words, in the order in which it was decided. */
export type Step =
  | { readonly do: 'switch'; readonly revision: number; readonly order: Commit }
  | { readonly do: 'execute'; readonly revision: number; readonly order: Execute }

const executionOf = (site: string, jobId: string, { number, revision, command }: WordCommand): Step[] => {
  if (command.type !== 'run-hook' && command.type !== 'verify') return []
  const commandId = `${jobId}.${number}`
  const about = { commandId, jobId, number, after: null, site, revision }
  return [{ do: 'execute', revision, order: { type: 'execute', ...about, command: { ...command } } }]
}

function switchOf(site: string, { revision, jobId, number, command, release, treeHash }: WordTarget): Step {
  const commandId = `${jobId}.${command}.word`
  const order = { type: 'commit', commandId, jobId, number, command, site, release, treeHash, revision } as const
  return { do: 'switch', revision, order }
}

/**
 * What is left to do of the words of a site. A switch that a later one overtook is none; of commands that each node
 * carries out once, those are left out that the journal has, or that lie before one that it has: they came in order.
 * Pure.
 * @param kept oldest first.
 */
export function stepsOf(state: NodeState, site: string, kept: readonly KeptWord[], nodeId: string): Step[] {
  const { switched, settled } = wordsOf(state, site)
  const mine = kept.filter(({ word, closed }) => !closed && indexIn(word, nodeId) >= 0).map(({ word }) => word)
  const executions = mine
    .flatMap(({ jobId, commands }) => commands.flatMap((each) => executionOf(site, jobId, each)))
    .filter(({ revision, order }) => revision > settled && !isOver(state, order))
  const target = mine.at(-1)?.target ?? null
  const isDone = target === null || target.revision <= switched || isLive(state, site, target)
  const steps = isDone ? executions : [...executions, switchOf(site, target)]
  return steps.sort((a, b) => a.revision - b.revision)
}

function isOver(state: NodeState, order: { readonly jobId: string; readonly number: number }): boolean {
  const phase = state.executed.get(executedKey(order))?.phase ?? 'executing'
  return phase !== 'executing'
}
