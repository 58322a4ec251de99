// Writes the tables and plots of docs/benchmarks.md from result files.
//
//   npm run bench:report                  # tables anew, from the files that the page names
//   npm run bench:report -- --newest      # from the newest results of each scenario, which the page names from then on
//
// A table stands between `<!-- fanout-file: FILE FILE -->` and `<!-- end -->`. Of several files the first counts; the
// others add what it lacks. Nothing else of the page is touched.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { plotOf } from '../src/bench/plot.js'
import { type Arrived, plotOfArrivals } from './arrivals.js'
import type { Machine } from './machine.js'

const { values } = parseArgs({ options: { newest: { type: 'boolean', default: false } } })
const page = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url))
const plots = fileURLToPath(new URL('../docs/benchmarks/', import.meta.url))
const results = fileURLToPath(new URL('results/', import.meta.url))

interface Row {
  readonly contender: string
  readonly scenario: 'file' | 'first' | 'update'
  readonly runs: number
  readonly medianS: number
  readonly minS: number
  readonly maxS: number
  readonly timesFloor?: number
  readonly sentMiB: number
  readonly busyRatio: number
}

interface Result {
  readonly file: string
  readonly date: string
  readonly commit: string
  readonly machine: Machine
  readonly parameters: { readonly nodeCount: number; readonly rateBps: number; readonly sizeBytes: number | null }
  readonly rows: readonly Row[]
  readonly skipped?: readonly { readonly name: string; readonly lacks: string }[]
  readonly figures: readonly Arrived[]
}

/** What contenders of early results are called now. */
const renamed: Readonly<Record<string, string>> = { 'engine strands': 'engine braid' }

const readResult = (file: string): Result => ({
  ...(JSON.parse(readFileSync(`${results}${file}`, 'utf8')) as Omit<Result, 'file'>),
  file,
})

const newestOf = (scenario: string): string => {
  // Names begin with the time: those of a clone are all of one age.
  const newest = readdirSync(results)
    .filter((name) => name.endsWith(`-${scenario}.json`))
    .toSorted()
    .at(-1)
  if (newest === undefined) throw new Error(`there is no result of ${scenario}`)
  return newest
}

/** Rows of all results: of a contender and scenario that several have, the first. */
const merged = (all: readonly Result[]): readonly (Row & { readonly of: number })[] => {
  const rows = all.flatMap((result, of) =>
    result.rows.map((row) => ({ ...row, contender: renamed[row.contender] ?? row.contender, of: of + 1 })),
  )
  const seen = new Set<string>()
  return rows.filter(({ contender, scenario }) => {
    const key = `${contender}|${scenario}`
    return !seen.has(key) && seen.add(key)
  })
}

const table = (lines: readonly (readonly string[])[]): string => {
  const [head = [], ...rows] = lines
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const madeOn = ({ machine, date, commit, parameters }: Result): string => {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`
  const size = parameters.sizeBytes === null ? '' : `, ${parameters.sizeBytes / 2 ** 20} MiB`
  const network = `${parameters.nodeCount} receivers, ${parameters.rateBps / 1e6} Mbit/s${size}`
  const system = `Linux ${machine.kernel}, Node.js ${machine.node}, TCP ${machine.congestionControl}`
  return `${network}; ${machine.cores} cores of ${machine.cpu}, ${memory}, ${system}; ${date}, commit ${commit}`
}

const sources = (all: readonly Result[]): string =>
  all
    .map((result, at) => `${at + 1}. ${madeOn(result)}: [${result.file}](../bench/results/${encodeURI(result.file)})`)
    .join('\n')

const fileTable = (all: readonly Result[]): string =>
  table([
    [
      `${all[0]?.parameters.nodeCount} receivers`,
      '×',
      'seconds',
      'least–most',
      'leaves the source',
      'machine busy',
      'runs',
      'result',
    ],
    ...merged(all)
      .toSorted((a, b) => a.medianS - b.medianS)
      .map((row) => [
        row.contender.startsWith('engine') ? `**${row.contender}**` : row.contender,
        (row.timesFloor ?? Number.NaN).toFixed(2),
        row.medianS.toFixed(1),
        `${row.minS.toFixed(1)}–${row.maxS.toFixed(1)}`,
        `${Math.round(row.sentMiB)} MiB`,
        `${Math.round(row.busyRatio * 100)} %`,
        String(row.runs),
        String(row.of),
      ]),
  ])

const treeTable = (all: readonly Result[]): string => {
  const rows = merged(all)
  const updates = new Map(rows.filter(({ scenario }) => scenario === 'update').map((row) => [row.contender, row]))
  return table([
    [
      `${all[0]?.parameters.nodeCount} receivers`,
      'first publish',
      'leaves the source',
      'next version',
      'leaves the source',
      'runs',
      'result',
    ],
    ...rows
      .filter(({ scenario }) => scenario === 'first')
      .toSorted((a, b) => a.medianS - b.medianS)
      .map((first) => {
        const next = updates.get(first.contender)
        return [
          first.contender.startsWith('engine') ? `**${first.contender}**` : first.contender,
          `${first.medianS.toFixed(2)} s`,
          `${first.sentMiB.toFixed(1)} MiB`,
          next === undefined ? '–' : `${next.medianS.toFixed(2)} s`,
          next === undefined ? '–' : `${next.sentMiB.toFixed(1)} MiB`,
          String(first.runs),
          String(first.of),
        ]
      }),
  ])
}

/** @returns the picture's line; empty where a result does not say when each node was complete. */
const plotOfResult = (scenario: string, { figures, parameters }: Result): string => {
  const { nodeCount, rateBps, sizeBytes } = parameters
  const title = `Nodes that have everything: ${nodeCount} nodes, ${rateBps / 1e6} Mbit/s`
  const plot = plotOfArrivals(title, ((sizeBytes ?? 0) * 8) / rateBps, figures)
  if (plot.curves.length === 0 || sizeBytes === null) return ''
  mkdirSync(plots, { recursive: true })
  writeFileSync(`${plots}${scenario}.svg`, plotOf(plot))
  return `\n\n![${title}, over time](benchmarks/${scenario}.svg)`
}

const skippedOf = ({ skipped = [] }: Result): string =>
  skipped.length === 0 ? '' : `\n\nLeft out: ${skipped.map(({ name, lacks }) => `${name} (${lacks})`).join(', ')}.`

const render = (scenario: string, files: readonly string[]): string => {
  const all = files.map(readResult)
  const [first] = all
  if (first === undefined) throw new Error(`${scenario} names no file`)
  const rows = scenario === 'fanout-tree' ? treeTable(all) : fileTable(all)
  return `${rows}\n\n${sources(all)}${skippedOf(first)}${plotOfResult(scenario, first)}`
}

const text = readFileSync(page, 'utf8').replaceAll(
  /<!-- (fanout-\w+): (.*?) -->\n[\s\S]*?<!-- end -->/g,
  (_, scenario: string, named: string) => {
    const files = values.newest ? [newestOf(scenario)] : named.split(' ')
    return `<!-- ${scenario}: ${files.join(' ')} -->\n\n${render(scenario, files)}\n\n<!-- end -->`
  },
)
writeFileSync(page, text)
