import { availableParallelism, loadavg } from 'node:os'

/** How many want to run on this machine, over the last minute, for each core; 1 and more: some of them wait. */
export const machineLoad = (): number => (loadavg()[0] ?? 0) / availableParallelism()
