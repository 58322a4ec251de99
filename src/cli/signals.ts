import type { Interrupts } from './follow.js'

/** Signals and streams that end a headless process. */
export interface Lifetime {
  /** Resolves with the first reason to stop; what `onSecond` was given runs at each one after it. */
  readonly ended: Promise<string>
  onSecond(run: () => void): void
}

/** Signals that ask a command to end, and the exit code of one that did: 128 and the signal's number. */
const endings = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
type Ending = keyof typeof endings
const ENDING = Object.keys(endings) as readonly Ending[]

/** @param reason  the signal that ended a command, as `lifetime` tells it. */
export const exitCodeOfSignal = (reason: string): number => endings[reason as Ending] ?? endings.SIGINT

/** Ctrl-C while a job is followed, a request to end, or a terminal that goes away. */
export const interrupts: Interrupts = {
  listen(first, second) {
    let count = 0
    const onSignal = (signal: string): void => {
      count += 1
      if (count === 1) first(exitCodeOfSignal(signal))
      else second(exitCodeOfSignal(signal))
    }
    for (const signal of ENDING) process.on(signal, onSignal)
    return () => {
      for (const signal of ENDING) process.off(signal, onSignal)
    }
  },
}

/**
 * From now on a signal ends the process in order instead of at once.
 * @param withStdin  also end when standard input is closed: a parent that dies takes this process along.
 */
export function lifetime(withStdin: boolean): Lifetime {
  const second: (() => void)[] = []
  let ending = false
  const ended = new Promise<string>((resolve) => {
    const end = (reason: string): void => {
      if (ending) for (const run of second) run()
      ending = true
      resolve(reason)
    }
    for (const signal of ENDING) process.on(signal, () => end(signal))
    if (withStdin)
      process.stdin
        .resume()
        .once('close', () => end('standard input closed'))
        .unref()
  })
  return { ended, onSecond: (run) => void second.push(run) }
}
