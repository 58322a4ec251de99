import { EngineError } from '../base/errors.js'
import type { CoordinatorDoor } from '../control/door.js'
import type { Job } from '../control/door/jobs.js'
import { outcomeOf } from '../control/job-outcome.js'
import type { JobEvent } from '../model/event.js'
import type { CommandRequest, JobView } from '../model/job.js'

/** A job in the hands of a program in the same process. */
export function handleOf(door: CoordinatorDoor, id: string, onEnd: () => void): Job {
  async function* progress(
    options: { readonly sinceId?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<JobEvent> {
    const signal = options.signal ?? new AbortController().signal
    for await (const event of door.watchJob(id, options.sinceId ?? 0, signal)) {
      if (event.type === 'result') onEnd()
      yield event
    }
  }
  const completed = async (): Promise<JobView> => {
    for await (const event of progress()) if (event.type === 'result') return outcomeOf(event.job)
    if (!door.ready()) throw new EngineError('ENGINE_ERR_CLOSING')
    return outcomeOf(await door.getJob(id))
  }
  const add = (...commands: readonly CommandRequest[]): Promise<JobView> => door.addCommands(id, commands)
  return { id, add, end: () => add({ type: 'end-job' }), progress, completed }
}
