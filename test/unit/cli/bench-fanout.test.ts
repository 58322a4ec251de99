// Goal: `engine bench fanout` refuses what cannot be measured before anything is started.
// Method: the program itself with its output captured. What it measures is tried end to end.
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { ran } from '../../support/run-program.js'

t.test('what cannot be measured is refused with 2, by the name of its flag, and nothing is begun', async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [
      ['--strategy', 'fastest'],
      '--strategy "fastest" is not valid: there are star, chain, tree, braid, handout, cascade',
    ],
    [['--strategy', ''], '--strategy ""'],
    [['--strategy', 'braid,'], '--strategy "braid,"'],
    [['--nodes', '0'], '--nodes "0" is not valid: from 1 to 64'],
    [['--nodes', '8,65'], '--nodes "8,65"'],
    [['--nodes', '1e1'], '--nodes "1e1"'],
    [['--rate', 'fast'], '--rate "fast"'],
    [['--rate', '100mbit,100kbit'], '--rate "100mbit,100kbit" is not valid: from 524288'],
    [['--size', '0'], '--size "0"'],
    [['--size', 'much'], '--size "much"'],
    [['--size', '1T'], '--size "1T" is not valid: that takes'],
    [['--fault', 'none,fire'], '--fault "none,fire" is not valid: there are none, killed, slow, paused'],
    [['--repetitions', '0'], '--repetitions "0"'],
    [['--repetitions', '101'], '--repetitions "101"'],
  ]
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('distributary-fanout-')).length
  for (const [flags, said] of cases) {
    const { code, err, out } = await ran(t, 'bench', 'fanout', ...flags)
    t.equal(code, 2, flags.join(' '))
    t.match(err, said)
    t.equal(out, '')
  }
  t.equal(readdirSync(tmpdir()).filter((name) => name.startsWith('distributary-fanout-')).length, before)
})

t.test('a place where no picture can be written is refused before anything is run', async (t) => {
  const path = `${t.testdir()}/none/plot.svg`
  const { code, err } = await ran(t, 'bench', 'fanout', '--size', '1', '--plot', path)
  t.equal(code, 1)
  t.match(err, path)
})

t.test('without the lab of a checkout, --lab says what it lacks', async (t) => {
  // Seen from the sources, the lab is not where it is beside dist/.
  const { code, err } = await ran(t, 'bench', 'fanout', '--lab')
  t.equal(code, 2)
  t.match(err, /--lab is not valid: the lab is in a checkout/)
})
