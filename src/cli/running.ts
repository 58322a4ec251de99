import type { Context } from './context.js'

/** What a command of `engine` does: gives its exit code. */
export type Action = (context: Context, args: readonly string[], flags: Record<string, unknown>) => Promise<number>

/** How a run of `engine` makes an action of commander. */
export interface Running {
  command(action: Action): (...args: unknown[]) => Promise<void>
}

/** An option that may be given several times. */
export const collect = (value: string, all: string[] = []): string[] => [...all, value]

export const keyHelp = 'asked again with the same key, it is the same request and done once'
