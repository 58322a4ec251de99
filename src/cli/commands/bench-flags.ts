// What the commands of `engine bench` have in common: how values are read, told and drawn.
import { open } from 'node:fs/promises'
import { EngineError } from '../../base/errors.js'
import { parseRateBps } from '../../base/quantities.js'
import type { Output } from '../output.js'
import { invalid } from './flag.js'

const RATE_MAX_BPS = 1e12
/** Time between two plain lines, where nothing can be redrawn. */
const PLAIN_INTERVAL_MS = 10_000

/** Reads a value that lies between two. */
export const within =
  (least: number, most: number, parse: (text: string) => number = Number) =>
  (text: string): number => {
    const value = parse(text)
    if (value >= least && value <= most) return value
    throw invalid(`"${text}"`, `from ${least} to ${most} is possible`)
  }

/** Reads digits alone; NaN of anything else. */
export const whole = (text: string): number => (/^\d+$/.test(text) ? Number(text) : Number.NaN)

/** Reads a rate in bits per second. */
export const rateFrom = (leastBps: number): ((text: string) => number) => within(leastBps, RATE_MAX_BPS, parseRateBps)

/** Reads values with commas between, each once, in the order in which they were named. */
export const several =
  <T>(read: (text: string) => T) =>
  (text: string): readonly T[] => [...new Set(text.split(',').map((each) => read(each.trim())))]

/** Reads names with commas between, of those that there are. */
export function readNames<T extends string>(known: readonly T[]): (text: string) => readonly T[] {
  return (text) =>
    several((each) => {
      const found = known.find((name) => name === each)
      if (found === undefined) throw invalid(`"${text}"`, `there are ${known.join(', ')}`)
      return found
    })(text)
}

export const mbit = (bps: number): string => `${Number((bps / 1e6).toPrecision(4))} Mbit/s`

export const ratio = (value: number | null): string => (value === null ? 'never' : value.toFixed(3))

/** Tells how far something is: redrawn on a terminal, a plain line now and then elsewhere. */
export function tellerOn(output: Output, nowMs: () => number): (said: string) => void {
  let plainAtMs = nowMs()
  return (said) => {
    if (output.animated) output.redraw([said.slice(0, output.columns - 1)])
    if (output.animated || output.json || nowMs() - plainAtMs < PLAIN_INTERVAL_MS) return
    plainAtMs = nowMs()
    output.note(said)
  }
}

/** The file of a plot. */
export interface PlotFile {
  write(svg: string): Promise<void>
}

/** Opens the file of a plot before what it is to show takes its time. */
export async function openPlot(path: string): Promise<PlotFile> {
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new EngineError('ENGINE_ERR_IO', { what: path, why }, { cause: error })
    }
  }
  const file = await guarded(() => open(path, 'w'))
  return { write: (svg) => guarded(() => file.writeFile(svg).finally(() => file.close())) }
}
