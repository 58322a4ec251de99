// Waits for what a test needs to be true, never for a time.
import { setTimeout as sleep } from 'node:timers/promises'

/** Longest wait of any test. Ample: a machine of CI may be ten times slower than ours. */
export const WAIT_MS_MAX = 120_000

/**
 * Asks again and again until the answer is neither undefined nor false.
 * @param waitMsMax for what takes longer than any test.
 * @throws Error naming the claim, and what `explain` tells, when it never came true.
 */
export const until = async <T>(
  claim: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  explain: () => string = () => '',
  waitMsMax: number = WAIT_MS_MAX,
): Promise<T> => {
  const end = performance.now() + waitMsMax
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error(`waited in vain: ${claim} ${explain()}`)
    await sleep(50)
  }
}
