import { EngineError } from '../base/errors.js'
import { OUTPUT_CHARS_MAX } from '../base/limits.js'
import { describe, isWell, type Verification } from '../model/verification.js'
import type { Executor } from './executing.js'
import type { Verifications } from './verifying.js'

/** A verification as the JSON that a command leaves: of its findings as many as fit. */
export function outputOf(found: Verification): string {
  let { findings } = found
  for (;;) {
    const text = JSON.stringify({ ...found, findings })
    if (text.length <= OUTPUT_CHARS_MAX) return text
    findings = findings.slice(0, Math.floor((findings.length * 3) / 4))
  }
}

/** Carries the command `verify` out: done when all is well or mended, failed with ENGINE_ERR_DRIFT otherwise. */
export function verifyExecutor(verifications: Pick<Verifications, 'verify'>, node: string): Executor<'verify'> {
  return {
    async run({ site, command: { release, rateBps, repair } }, signal) {
      const found = await verifications.verify({ site, release, rateBps, repair }, signal)
      const drift = { site, release: found.release, node, what: describe(found) }
      return { output: outputOf(found), error: isWell(found) ? null : new EngineError('ENGINE_ERR_DRIFT', drift) }
    },
    // Reading again changes nothing, and what was found is in the journal.
    mayRepeat: () => true,
  }
}
