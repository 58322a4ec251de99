import type { Context } from './context.js'
import { fail } from './output.js'

/** What came of something that a signal may stop: its value, or the exit code of the signal. */
export type Stopped<T> = { readonly value: T } | { readonly exitCode: number }

/** Does something that a signal stops in order: what it leaves is told, and the signal's exit code stands for it. */
export async function stoppable<T>(
  { interrupts, output }: Pick<Context, 'interrupts' | 'output'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<Stopped<T>> {
  const stop = new AbortController()
  let exitCode: number | null = null
  const onSignal = (code: number): void => {
    exitCode = code
    stop.abort()
  }
  const letGo = interrupts.listen(onSignal, onSignal)
  try {
    return { value: await work(stop.signal) }
  } catch (error) {
    if (exitCode === null) throw error
    fail(output, error)
    return { exitCode }
  } finally {
    letGo()
  }
}
