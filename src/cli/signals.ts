import type { Lifetime } from './commands/serve.js'
import type { Interrupts } from './follow.js'

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Ctrl-C while a job is followed. */
export const interrupts: Interrupts = {
  listen(first, second) {
    let count = 0
    const onSignal = (): void => {
      count += 1
      if (count === 1) first()
      else second()
    }
    process.on('SIGINT', onSignal)
    return () => process.off('SIGINT', onSignal)
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
