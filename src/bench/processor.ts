/** Of the kernel's clock in /proc, on every architecture. */
const TICKS_PER_SECOND = 100

/**
 * What a process has used of the processor, in its own code and in the kernel's for it, in seconds.
 * @param stat what /proc/PID/stat says. @returns null of anything else. Pure.
 */
export function cpuSecondsOf(stat: string): number | null {
  // The name, in parentheses, may hold blanks and parentheses.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/)
  const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  return Number.isFinite(seconds) ? seconds : null
}

/** Seconds of all cores together, since the machine started. */
export interface MachineTime {
  readonly busyS: number
  readonly totalS: number
}

/** @param stat what /proc/stat says. Pure. */
export function machineTimeOf(stat: string): MachineTime {
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, ...others] = (stat.split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1, 9)
    .map(Number)
  const busy = [user, nice, system, ...others].reduce((sum, ticks) => sum + ticks, 0)
  return { busyS: busy / TICKS_PER_SECOND, totalS: (busy + idle + waiting) / TICKS_PER_SECOND }
}

/** How busy the machine was between two looks: 0–1. Pure. */
export function busyRatioOf(before: MachineTime, after: MachineTime): number {
  const totalS = after.totalS - before.totalS
  return totalS > 0 ? (after.busyS - before.busyS) / totalS : 0
}
