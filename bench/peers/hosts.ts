// What peers have in common: the hosts that receive, programs that are there or not, and when each was done.
import { startOn } from '../../test/support/lab.js'
import { type Outcome, type Running, start } from '../../test/support/process.js'
import type { Arrivals, Field } from '../system/contenders.js'

/** Hosts that receive; the source is host 0. */
export const hostsOf = (field: Field): readonly number[] => Array.from({ length: field.nodeCount }, (_, i) => i + 1)

/** @returns what is missing where a program does not run. */
export async function lacksProgram(what: string, command: string, args: readonly string[]): Promise<string | null> {
  const outcome = await start(command, args).exited.catch(() => null)
  return outcome?.code === 0 ? null : `${what} is not installed`
}

/**
 * Waits for one program a host to end well. @returns when each did.
 * @throws Error by what the first says that fails.
 */
export async function endings(what: string, programs: ReadonlyMap<number, Running>): Promise<Arrivals> {
  const all = [...programs].map(async ([host, program]): Promise<readonly [number, number]> => {
    wellDone(what, await program.exited)
    return [host, Date.now()]
  })
  return new Map(await Promise.all(all))
}

/** @throws Error of one that did not end well. */
export function wellDone(what: string, { code, stderr }: Outcome): void {
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr}`)
}

/** One program a host. */
export const onEach = (
  field: Field,
  commandOf: (host: number) => readonly [string, readonly string[]],
): ReadonlyMap<number, Running> => new Map(hostsOf(field).map((host) => [host, startOn(host, ...commandOf(host))]))

export const stopEach = async (programs: Iterable<Running>): Promise<void> =>
  void (await Promise.all([...programs].map((program) => program.stop('SIGTERM'))))
