// Goal: `engine bench simulate` tells what it found as a table, as JSON and as a picture, and refuses what cannot be.
// Method: the program itself with its output captured; small networks.
import { existsSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { ran as runIn } from '../../support/run-program.js'

const SMALL = ['--nodes', '24', '--size', '1MiB', '--chunk', '32KiB']

const ran = (t: Test, ...flags: readonly string[]) => runIn(t, 'bench', 'simulate', ...flags)

t.test('strategies are compared in a table, in the order in which they were named', async (t) => {
  const { code, out } = await ran(t, ...SMALL, '--strategy', 'tree,handout,braid,cascade,chain')
  t.equal(code, 0)
  t.match(out, '24 nodes, 1.0 MB in chunks of 32.0 KB, 100 Mbit/s')
  t.match(out, 'bound 0.08 s: source uplink')
  const names = [...out.matchAll(/^(\w+) +\d+\.\d{3} /gm)].map(([, name]) => name)
  t.same(names, ['tree', 'handout', 'braid', 'cascade', 'chain'])
})

t.test('--fanout says how many each serves at once in a cascade', async (t) => {
  const copies = async (fanout: string) => {
    const { out } = await ran(t, ...SMALL, '--strategy', 'cascade', '--fanout', fanout, '--json')
    const { fanout: told, strategies } = JSON.parse(out) as {
      fanout: number
      strategies: readonly { sourceCopies: number }[]
    }
    t.equal(told, Number(fanout))
    return strategies[0]?.sourceCopies ?? 0
  }
  t.ok((await copies('12')) > 11.9)
  t.ok((await copies('3')) < 11.9)
})

t.test('faults and segments are told beside the figures', async (t) => {
  const { out } = await ran(t, ...SMALL, '--segments', '3', '--failing', '10%', '--slow', '5%')
  t.match(out, '3 segments with 40 Mbit/s and 20 ms between; 10% failing; 5% slow')
  t.match(out, /2 killed/)
  t.match(out, /1\.\d\d–1\.\d\d/, 'copies that came into segments')
})

t.test('--json gives one result that holds every figure, the same for the same seed', async (t) => {
  const flags = [...SMALL, '--strategy', 'chain,braid', '--failing', '10%', '--seed', '9', '--json']
  const { code, out, err } = await ran(t, ...flags)
  t.equal(code, 0)
  t.equal(err, '')
  t.equal(out.trimEnd().split('\n').length, 1)
  const told = JSON.parse(out) as { strategies: { strategy: string; tookMs: number }[] }
  t.match(told, {
    type: 'result',
    status: 'success',
    network: { nodeCount: 24, sizeBytes: 1_048_576, chunkBytes: 32_768, rateBps: 100e6, segmentCount: 1 },
    faults: { failing: 0.1, slow: 0, decaying: 0 },
    seed: 9,
    bound: { by: 'source uplink' },
    strategies: [
      { strategy: 'chain', isComplete: true, livingCount: 22 },
      { strategy: 'braid', isComplete: true, livingCount: 22, duplicateChunks: Number, sourceCopies: Number },
    ],
  })
  const again = JSON.parse((await ran(t, ...flags)).out) as typeof told
  const timeless = ({ strategies }: typeof told) => strategies.map((each) => ({ ...each, tookMs: 0 }))
  t.same(timeless(again), timeless(told))
})

t.test('--plot writes a picture with a curve for each strategy', async (t) => {
  const path = `${t.testdir()}/plot.svg`
  const { code } = await ran(t, ...SMALL, '--strategy', 'chain,braid', '--plot', path)
  t.equal(code, 0)
  const svg = readFileSync(path, 'utf8')
  t.equal(svg.match(/<polyline/g)?.length, 2)
  t.match(svg, '>braid</text>')
})

t.test('a place where no picture can be written is refused before anything is run', async (t) => {
  const path = `${t.testdir()}/none/plot.svg`
  const { code, err, out } = await ran(t, ...SMALL, '--plot', path)
  t.equal(code, 1)
  t.match(err, 'ENGINE_ERR_IO')
  t.match(err, path)
  t.equal(out, '')
  t.notOk(existsSync(path))
})

t.test('what cannot be simulated is refused with 2, by the name of its flag', async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['--nodes', '0'], '--nodes "0" is not valid: from 1 to 100000'],
    [['--nodes', '1e3'], '--nodes "1e3"'],
    [['--nodes', '100001'], '--nodes "100001"'],
    [['--chunk', '1KiB'], '--chunk "1KiB" is not valid: from 4096 to 1048576'],
    [['--size', '0'], '--size "0"'],
    [['--size', 'much'], '--size "much" is not valid: write it like 4096'],
    [['--nodes', '10000', '--size', '1T'], '--size "1T"'],
    [['--rate', '0'], '--rate "0"'],
    [['--wan-rate', 'fast'], '--wan-rate "fast"'],
    [['--wan-delay', '1h'], '--wan-delay "1h"'],
    [['--segments', '1001'], '--segments "1001" is not valid: from 1 to 1000'],
    [
      ['--strategy', 'braid,fastest'],
      '--strategy "braid,fastest" is not valid: there are star, chain, tree, braid, handout',
    ],
    [
      ['--strategy', 'braid,chain', '--fanout', '2'],
      '--fanout is not valid: it is of the strategies handout and cascade',
    ],
    [['--strategy', 'cascade', '--fanout', '0'], '--fanout "0" is not valid: from 1 to 64'],
    [['--strategy', ''], '--strategy ""'],
    [['--failing', '101%'], '--failing "101%"'],
    [['--failing', '60%', '--slow', '40%'], '--failing, --slow and --decay is not valid'],
    [['--seed', '-1'], '--seed "-1"'],
  ]
  for (const [flags, said] of cases) {
    const { code, err, out } = await ran(t, ...flags)
    t.equal(code, 2, flags.join(' '))
    t.match(err, said)
    t.equal(out, '')
  }
})
