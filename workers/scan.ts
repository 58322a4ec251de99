import { scan } from '../src/native/content.js'
import type { TaskOutcome, TaskRequest, Tasks } from './tasks.js'
import { performTask } from './tasks.js'

/** Reads a staging directory and compares it with the shadow, away from the main thread. */
export default function scanTask(request: TaskRequest<'scan'>): TaskOutcome<Tasks['scan']['output']> {
  return performTask(request, scan)
}

/** Called to have this program read before its first task. */
export const load = (): void => {}
