// In: a task's input, a port for news of it, a flag that stops it. Out: a value, or a failure as plain data.
// Never: a thrown error across threads (its code would be lost), a task without a way to stop it.
import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode, ErrorDetails } from '../src/base/errors.js'
import { EngineError, toEngineError } from '../src/base/errors.js'
import type {
  PackBatch,
  PackOptions,
  PackResult,
  ScanOptions,
  ScanProgress,
  ScanResult,
} from '../src/native/content.js'

/** What each task takes, tells while it works, and gives. */
export interface Tasks {
  readonly scan: { readonly input: ScanOptions; readonly update: ScanProgress; readonly output: ScanResult }
  readonly pack: { readonly input: PackOptions; readonly update: PackBatch; readonly output: PackResult }
}

export const taskNames = ['scan', 'pack'] as const satisfies readonly (keyof Tasks)[]
export type TaskName = keyof Tasks

export interface TaskRequest<Name extends TaskName> {
  readonly input: Tasks[Name]['input']
  /** Carries updates in their order, then `null`: there are no more. */
  readonly updates: MessagePort
  /** One 32-bit word; anything but 0 stops the task at its next update. */
  readonly stop: SharedArrayBuffer
}

export type TaskOutcome<Output> =
  | { readonly ok: true; readonly value: Output }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails }

/**
 * Carries out a request on this thread: `work` is given the input and a callback that sends an update
 * and says whether to go on.
 */
export function performTask<Name extends TaskName>(
  request: TaskRequest<Name>,
  work: (input: Tasks[Name]['input'], update: (news: Tasks[Name]['update']) => boolean) => Tasks[Name]['output'],
): TaskOutcome<Tasks[Name]['output']> {
  const { input, updates, stop } = request
  const flag = new Int32Array(stop)
  const goesOn = (): boolean => Atomics.load(flag, 0) === 0
  try {
    if (!goesOn()) throw new EngineError('ENGINE_ERR_CANCELLED', { what: 'the task' })
    const value = work(input, (news) => {
      updates.postMessage(news)
      return goesOn()
    })
    return { ok: true, value }
  } catch (error) {
    const { code, message, details } = toEngineError(error)
    return { ok: false, code, message, details }
  } finally {
    updates.postMessage(null)
    updates.close()
  }
}
