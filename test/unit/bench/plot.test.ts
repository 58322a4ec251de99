// Goal: a plot is a whole SVG document, whatever is drawn. Method: properties over curves; the text is looked at.
import t from 'tap'
import fc from 'fast-check'
import { plotOf } from '../../../src/bench/plot.js'

const curve = fc.record({
  name: fc.string({ maxLength: 20 }),
  points: fc.array(
    fc.record({
      seconds: fc.double({ min: 0.001, max: 10_000, noNaN: true }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { maxLength: 30 },
  ),
})

t.test('every number is within the picture, every name is escaped', async () => {
  const plots = fc.record({
    title: fc.string(),
    boundSeconds: fc.double({ min: 0.01, max: 1000, noNaN: true }),
    curves: fc.array(curve, { minLength: 1, maxLength: 9 }),
  })
  fc.assert(
    fc.property(plots, (given) => {
      const svg = plotOf(given)
      const points = [...svg.matchAll(/points="([^"]*)"/g)].flatMap(([, all = '']) => all.split(' ').filter(Boolean))
      const isInside = points.every((point) => {
        const [x = -1, y = -1] = point.split(',').map(Number)
        return x >= 0 && x <= 860 && y >= 0 && y <= 480
      })
      const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)]
      const opened = svg.match(/<(?!\/)/g)?.length ?? 0
      const closed = (svg.match(/\/>/g)?.length ?? 0) + (svg.match(/<\/\w+>/g)?.length ?? 0)
      return isInside && !svg.includes('NaN') && texts.length > 6 && opened === closed
    }),
  )
})

const points = (last: number) => [
  { seconds: 0, share: 0 },
  { seconds: last / 2, share: 0.5 },
  { seconds: last, share: 1 },
]

t.test('curves of like length share a plain axis, one that takes many times as long a logarithmic one', async (t) => {
  const drawn = (lasts: readonly number[]): string =>
    plotOf({ title: 'T', boundSeconds: 10, curves: lasts.map((last) => ({ name: `${last}`, points: points(last) })) })
  const xs = (svg: string): readonly number[] =>
    [...svg.matchAll(/points="([^"]*)"/g)].map(([, all = '']) => Number(all.split(' ').at(-1)?.split(',')[0]))
  const [near = 0, far = 0] = xs(drawn([10, 20]))
  t.ok(Math.abs((far - 64) / (near - 64) - 2) < 0.01, `${near} ${far}`)
  const [quick = 0, , slow = 0] = xs(drawn([10, 100, 1000]))
  t.ok(quick > 300 && slow > 800, `${quick} of ${slow}`)
})

t.test('a plot names what it shows', async (t) => {
  const svg = plotOf({ title: 'Nodes & <time>', boundSeconds: 2, curves: [{ name: 'braid', points: points(3) }] })
  t.match(svg, 'Nodes &#38; &#60;time&#62;')
  for (const word of ['braid', 'bound', 'seconds', '100 %']) t.match(svg, word)
})

t.test('several plots are panels of one picture, one below the other, and long legends have rows', async (t) => {
  const curves = Array.from({ length: 7 }, (_, at) => ({ name: `s${at}`, points: points(at + 1) }))
  const svg = plotOf({ title: 'A', boundSeconds: 1, curves }, { title: 'B', boundSeconds: 2, curves: [] })
  t.match(svg, 'viewBox="0 0 860 960"')
  t.match(svg, 'aria-label="A; B"')
  t.equal(svg.match(/<svg /g)?.length, 1)
  t.match(svg, '<g transform="translate(0 480)">')
  const at = (name: string): readonly number[] =>
    (new RegExp(`x="(\\d+)" y="(\\d+)">${name}<`).exec(svg) ?? []).slice(1).map(Number)
  t.same(at('s5')[0], at('s0')[0])
  t.ok((at('s5')[1] ?? 0) > (at('s0')[1] ?? 0), 'the sixth is below the first')
})
