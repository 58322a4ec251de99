import { EngineError } from '../base/errors.js'
import { JOB_COMMANDS_MAX } from '../base/limits.js'
import { editTypes } from '../model/edit.js'
import type { CommandRequest, CommandState, JobCommand } from '../model/job.js'

const over: ReadonlySet<CommandState> = new Set(['completed', 'failed'])

/** The command that is, or is to be, carried out next; undefined: all are over. Pure. */
export function nextCommand(commands: readonly JobCommand[]): JobCommand | undefined {
  return commands.find(({ state }) => !over.has(state))
}

/**
 * Says whether commands may follow those that a job has: a commit needs something staged, nothing else is staged
 * meanwhile, and nothing follows the end. Pure.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT naming the command that does not fit.
 */
export function checkCommands(existing: readonly JobCommand[], asked: readonly CommandRequest[]): void {
  if (existing.length + asked.length > JOB_COMMANDS_MAX) {
    throw misplaced('the job', `it has more than ${JOB_COMMANDS_MAX} commands`)
  }
  let queue: Queue = { staged: null, isEnded: false }
  for (const { request } of existing) queue = after(queue, request)
  for (const [index, request] of asked.entries()) {
    const why = misfit(queue, request)
    if (why !== null) throw misplaced(`command ${existing.length + index + 1} (${request.type})`, why)
    queue = after(queue, request)
  }
}

/** What a queue of commands comes to. */
interface Queue {
  /** What is brought and not committed; null: nothing is. */
  readonly staged: 'a publish' | 'edits' | null
  readonly isEnded: boolean
}

function after(queue: Queue, { type }: CommandRequest): Queue {
  switch (type) {
    case 'publish':
      return { ...queue, staged: 'a publish' }
    case 'put':
    case 'mkdir':
    case 'set-properties':
    case 'remove':
      return { ...queue, staged: 'edits' }
    case 'commit':
      return { ...queue, staged: null }
    case 'end-job':
      return { ...queue, isEnded: true }
    case 'rollback':
    case 'run-hook':
    case 'verify':
      return queue
  }
}

function misfit({ staged, isEnded }: Queue, { type }: CommandRequest): string | null {
  if (isEnded) return 'it comes after the end of the job'
  if (type === 'commit') return staged === null ? 'nothing is published before it that is not committed' : null
  if (staged === null || type === 'run-hook' || type === 'verify') return null
  // Edits gather: the next one joins those before it, in one release.
  if (staged === 'edits' && editTypes.some((each) => each === type)) return null
  return staged === 'edits' ? 'edits before it are not committed' : 'what is published before it is not committed'
}

const misplaced = (what: string, why: string): EngineError =>
  new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why })
