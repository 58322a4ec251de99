// How long content takes to the last of many hosts when links differ, break down or die, beside what links allow.
//
//   npm run bench:trouble -- [--only flat-8,mixed-8,…] [--repetitions 3] [--scale 1] [--length 1] [--strategy braid]
//                            [--dir /dev/shm] [--probed]
//   npm run lab:faults -- [--repetitions 20]      # those in which somebody dies, goes away or comes
//
// --scale 0.25 takes a quarter of every rate and of the content, for machines that are busy with other things;
// --length 0.25 a quarter of the content alone. --probed has links measured before, as after `engine probe`.
//
// As root, in the lab. × is the time from the order until a node says that it has every byte, over size ÷ rate. Where a
// node is in trouble itself, the others are told apart from it. Every copy is compared with the source afterwards, and
// what is on record with what is so; a run that is wrong or comes to no end is told of, and it ends with 1 then.
import { parseArgs } from 'node:util'
import { keepResult, median } from '../machine.js'
import { type Figure, play, sizeOf } from './trouble-play.js'
import { faults, scenarios } from './trouble-scenarios.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    length: { type: 'string', default: '1' },
    strategy: { type: 'string', default: 'braid' },
    dir: { type: 'string', default: '/dev/shm' },
    keep: { type: 'boolean', default: true },
    log: { type: 'boolean', default: false },
    probed: { type: 'boolean', default: false },
  },
  allowNegative: true,
})
const options = {
  ...{ scale: Number(values.scale), length: Number(values.length), strategy: values.strategy },
  ...{ directory: values.dir, isTalkative: values.log, isProbed: values.probed },
}
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const names = values.only === 'faults' ? faults : (values.only?.split(',') ?? Object.keys(scenarios))
const figures: Figure[] = []
const endless: { readonly scenario: string; readonly why: string }[] = []
for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
  for (const scenario of names) {
    try {
      const figure = await play(scenario, options)
      say(JSON.stringify(figure))
      figures.push(figure)
    } catch (error) {
      endless.push({ scenario, why: String(error) })
      say(`${scenario} ${String(error)}`)
    }
  }
}
const rows = names.map((scenario) => {
  const own = figures.filter((figure) => figure.scenario === scenario)
  const keys = Object.keys(own[0]?.apart ?? {})
  return {
    scenario,
    runs: own.length,
    endless: endless.filter((run) => run.scenario === scenario).length,
    wrong: own.filter(({ wrong }) => wrong.length > 0).length,
    others: median(own.map(({ others }) => others)),
    worst: Math.max(...own.map(({ others }) => others)),
    ...Object.fromEntries(keys.map((key) => [key, median(own.map(({ apart }) => apart[key] ?? Number.NaN))])),
    sourceCopies: median(own.map(({ sourceCopies }) => sourceCopies)),
    busyRatio: median(own.map(({ busyRatio }) => busyRatio)),
  }
})
console.table(rows)
const { scale, length, strategy, isProbed } = options
if (values.keep) {
  const parameters = { sizeBytes: sizeOf(options), scale, length, strategy, isProbed }
  say(`kept in ${keepResult('trouble', { parameters, rows, figures })}`)
}
process.exitCode = rows.every((row) => row.endless + row.wrong === 0) ? 0 : 1
