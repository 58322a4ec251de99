import type { Point } from './figures.js'

/** One strategy's curve. */
export interface Curve {
  readonly name: string
  readonly points: readonly Point[]
}

export interface Plot {
  readonly title: string
  readonly boundSeconds: number
  readonly curves: readonly Curve[]
}

const [WIDTH, HEIGHT] = [860, 480]
const AREA = { left: 64, right: 24, top: 92, bottom: 52 }
/** Told apart also by those who do not see colours: each has a dash of its own. */
const STROKES = [
  { color: '#0072b2', dash: '' },
  { color: '#d55e00', dash: '8 4' },
  { color: '#009e73', dash: '2 3' },
  { color: '#cc79a7', dash: '10 3 2 3' },
  { color: '#e69f00', dash: '14 4' },
  { color: '#56b4e9', dash: '5 3' },
  { color: '#000000', dash: '1 3' },
  { color: '#7f7f7f', dash: '10 3 2 3 2 3' },
] as const
const STEPS = [1, 2, 5, 10]
const TICKS_WANTED = 8
const SHARES = [0, 0.25, 0.5, 0.75, 1]
/** Slower than this many times the quickest, a strategy would press the others against the axis. */
const LOGARITHMIC_FROM = 5

/** Names in a row of the legend. */
const LEGEND_COLUMNS = 5
const [LEGEND_WIDTH, LEGEND_HEIGHT] = [152, 20]

/** The share of nodes that have everything, over time, as SVG; several plots are one below the other. Pure. */
export function plotOf(first: Plot, ...others: readonly Plot[]): string {
  const plots = [first, ...others]
  const page = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${WIDTH} ${HEIGHT * plots.length}`,
    role: 'img',
    'aria-label': plots.map(({ title }) => title).join('; '),
    'font-family': 'sans-serif',
    'font-size': 13,
    fill: '#222222',
  }
  const panels = plots.map((plot, at) =>
    element('g', { transform: at === 0 ? undefined : `translate(0 ${at * HEIGHT})` }, linesOf(panelOf(plot))),
  )
  return `${element('svg', page, linesOf(panels))}\n`
}

const linesOf = (parts: readonly string[]): string => `\n${parts.map((each) => `${each}\n`).join('')}`

function panelOf({ title, boundSeconds, curves }: Plot): readonly string[] {
  const axis = axisOf(boundSeconds, curves)
  return [
    element('rect', { width: WIDTH, height: HEIGHT, fill: '#ffffff' }),
    text(AREA.left, 24, title, { weight: 'bold' }),
    ...SHARES.flatMap((share) => [
      line([AREA.left, yOf(share)], [WIDTH - AREA.right, yOf(share)], '#dddddd'),
      text(AREA.left - 8, yOf(share) + 4, `${share * 100} %`, { anchor: 'end' }),
    ]),
    ...axis.ticks.map((seconds) =>
      text(axis.xOf(seconds), HEIGHT - AREA.bottom + 20, said(seconds), { anchor: 'middle' }),
    ),
    text((WIDTH + AREA.left - AREA.right) / 2, HEIGHT - 12, 'seconds', { anchor: 'middle' }),
    line([axis.xOf(boundSeconds), AREA.top], [axis.xOf(boundSeconds), HEIGHT - AREA.bottom], '#555555', '4 4'),
    text(axis.xOf(boundSeconds) - 6, AREA.top - 6, 'bound', { anchor: 'end' }),
    ...curves.flatMap((curve, at) => [pathOf(curve, at, axis), ...legendOf(curve, at)]),
  ]
}

interface Axis {
  readonly ticks: readonly number[]
  xOf(seconds: number): number
}

function axisOf(boundSeconds: number, curves: readonly Curve[]): Axis {
  const ends = curves.map(({ points }) => points.at(-1)?.seconds ?? 0).filter((seconds) => seconds > 0)
  const longest = Math.max(boundSeconds, ...ends) * 1.02
  const span = WIDTH - AREA.left - AREA.right
  const toX = (share: number): number => AREA.left + span * Math.min(1, Math.max(0, share))
  if (longest <= LOGARITHMIC_FROM * Math.min(longest, ...ends)) {
    const step = niceStep(longest / TICKS_WANTED)
    const ticks = Array.from({ length: Math.floor(longest / step) + 1 }, (_, at) => at * step)
    return { ticks, xOf: (seconds) => toX(seconds / longest) }
  }
  const first = boundSeconds / 10
  const decades = Math.log10(longest / first)
  const least = Math.floor(Math.log10(first))
  const ticks = Array.from({ length: Math.ceil(decades) + 1 }, (_, at) => 10 ** (least + at))
    .flatMap((power) => [power, 2 * power, 5 * power])
    .filter((seconds) => seconds >= first && seconds <= longest)
  return { ticks, xOf: (seconds) => toX(Math.log10(Math.max(seconds, first) / first) / decades) }
}

/** The least of 1, 2 and 5, times a power of ten, that is no less. */
function niceStep(wanted: number): number {
  const power = 10 ** Math.floor(Math.log10(wanted))
  return power * (STEPS.find((step) => step * power >= wanted) ?? 10)
}

const yOf = (share: number): number => HEIGHT - AREA.bottom - (HEIGHT - AREA.top - AREA.bottom) * share

const strokeOf = (at: number): (typeof STROKES)[number] => STROKES[at % STROKES.length] as (typeof STROKES)[number]

function pathOf({ points }: Curve, at: number, axis: Axis): string {
  const steps = points.map(({ seconds, share }) => `${round(axis.xOf(seconds))},${round(yOf(share))}`)
  const { color, dash } = strokeOf(at)
  const stroke = { stroke: color, 'stroke-width': 2, 'stroke-dasharray': dash }
  return element('polyline', { points: steps.join(' '), fill: 'none', ...stroke })
}

function legendOf({ name }: Curve, at: number): string[] {
  const x = AREA.left + (at % LEGEND_COLUMNS) * LEGEND_WIDTH
  const y = 46 + Math.floor(at / LEGEND_COLUMNS) * LEGEND_HEIGHT
  const { color, dash } = strokeOf(at)
  return [line([x, y - 4], [x + 28, y - 4], color, dash, 2), text(x + 36, y, name)]
}

function line(from: readonly number[], to: readonly number[], color: string, dash = '', width = 1): string {
  const [x1, y1, x2, y2] = [...from, ...to].map(round)
  return element('line', { x1, y1, x2, y2, stroke: color, 'stroke-width': width, 'stroke-dasharray': dash })
}

interface Style {
  readonly anchor?: 'middle' | 'end'
  readonly weight?: 'bold'
}

const text = (x: number, y: number, words: string, { anchor, weight }: Style = {}): string =>
  element('text', { x: round(x), y: round(y), 'text-anchor': anchor, 'font-weight': weight }, escaped(words))

/** @param inside  markup. Attributes that say nothing are left out. */
function element(name: string, attributes: Readonly<Record<string, string | number | undefined>>, inside = ''): string {
  const said = Object.entries(attributes)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
  return inside === '' ? `<${name}${said.join('')}/>` : `<${name}${said.join('')}>${inside}</${name}>`
}

const round = (value: number | undefined): number => Math.round((value ?? 0) * 10) / 10

const said = (seconds: number): string => String(Number(seconds.toPrecision(3)))

const escaped = (words: string): string => words.replace(/[&<>"]/g, (found) => `&#${found.codePointAt(0)};`)
