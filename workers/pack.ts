import { pack } from '../src/native/content.js'
import type { TaskOutcome, TaskRequest, Tasks } from './tasks.js'
import { performTask } from './tasks.js'

/** Writes an assignment, away from the main thread, telling each batch of vouched chunks. */
export default function packTask(request: TaskRequest<'pack'>): TaskOutcome<Tasks['pack']['output']> {
  return performTask(request, pack)
}

/** Called to have this program read before its first task. */
export const load = (): void => {}
