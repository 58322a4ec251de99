import type { Clock } from '../base/clock.js'
import { VERIFY_POLL_MS } from '../base/verify-limits.js'
import type { VerifyRun, VerifyRunRequest } from '../model/verification.js'
import type { VerifyOptions } from './door/sites.js'

/** What is asked for, with what is usual for the rest. */
export function verifyRequestOf(options: VerifyOptions): VerifyRunRequest {
  const { site, group = null, nodes = null, release = null, rateBps = null, repair = false } = options
  return { site, group, nodes, release, rateBps, repair }
}

/** Looks at a verification until every node has answered. @throws {EngineError} ENGINE_ERR_CANCELLED. */
export async function finished(
  first: VerifyRun,
  look: (id: string) => Promise<VerifyRun>,
  clock: Clock,
  signal?: AbortSignal,
): Promise<VerifyRun> {
  let run = first
  while (run.finishedAtMs === null) {
    await clock.sleep(VERIFY_POLL_MS, signal)
    run = await look(run.id)
  }
  return run
}
