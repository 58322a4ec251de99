// What a result must say of where it was made, and how results are kept.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly arch: string
  readonly kernel: string
  readonly node: string
  readonly congestionControl: string
}

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryBytes: totalmem(),
  arch: arch(),
  kernel: release(),
  node: process.versions.node,
  congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
})

/** Short name of the commit measured, with `+` when the tree holds changes. */
export const describeCommit = (): string => {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim()
  return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '-uno') === '' ? '' : '+'}`
}

/** Seconds of CPU that all processes of the machine used since boot, and seconds that passed on all cores. */
export const machineBusy = (): { readonly busyS: number; readonly totalS: number } => {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  const ticks = line.split(/\s+/).slice(1, 9).map(Number)
  const total = ticks.reduce((sum, n) => sum + n, 0)
  return { busyS: (total - (ticks[3] ?? 0) - (ticks[4] ?? 0)) / 100, totalS: total / 100 }
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/**
 * Keeps a result as `bench/results/<date>T<time>Z-<commit>-<scenario>.json`; results are added, never edited.
 * @returns the file's path
 */
export const keepResult = (scenario: string, result: object): string => {
  const commit = describeCommit()
  const at = new Date().toISOString()
  const date = at.slice(0, 10)
  const directory = fileURLToPath(new URL('results/', import.meta.url))
  mkdirSync(directory, { recursive: true })
  const path = `${directory}${at.slice(0, 19).replaceAll(':', '')}Z-${commit}-${scenario}.json`
  const kept = { scenario, date, commit, machine: describeMachine(), ...result }
  writeFileSync(path, `${JSON.stringify(kept, null, 2)}\n`, { flag: 'wx' })
  return path
}
