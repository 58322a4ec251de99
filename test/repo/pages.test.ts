// Goal: pages tell the truth: links lead somewhere, every error, field and limit is described, errors are raised.
// Method: pages and sources are read as text and compared with the tables themselves.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { errorCodes, errorTable } from '../../src/base/errors.js'
import { metricTable } from '../../src/base/metrics.js'
import { fields } from '../../src/config/fields.js'
import { fleetEventTypes } from '../../src/model/fleet-event.js'
import { filesBelow, read, root } from '../support/repository.js'

const pages = [
  ...filesBelow('docs', /\.md$/),
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
].filter((path) => existsSync(join(root, path)))

/** Markdown without code, where brackets mean something else. */
const prose = (text: string): string => text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '')

/** How GitHub names the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\s-]/gu, '')
    .replaceAll(/\s/g, '-')

const anchorsIn = (path: string): Set<string> =>
  new Set([...read(path).matchAll(/^#{1,6} (.+)$/gm)].map((found) => anchorOf(found[1] ?? '')))

t.test('every link of a page leads somewhere', async (t) => {
  const broken = pages.flatMap((page) =>
    [...prose(read(page)).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].flatMap((found) => {
      const target = found[1] ?? ''
      if (/^(https?|mailto):/.test(target)) return []
      const [file = '', anchor] = target.split('#')
      const path = file === '' ? page : join(dirname(page), file)
      if (!existsSync(join(root, path))) return [`${page}: ${target}`]
      return anchor !== undefined && path.endsWith('.md') && !anchorsIn(path).has(anchor) ? [`${page}: ${target}`] : []
    }),
  )
  t.same(broken, [])
})

t.test('every page has one title', async (t) => {
  t.same(
    pages.filter(
      (page) =>
        [
          ...read(page)
            .replaceAll(/```[\s\S]*?```/g, '')
            .matchAll(/^# /gm),
        ].length !== 1,
    ),
    [],
  )
})

t.test('every error has a text, a way out, and a section of its page', async (t) => {
  const page = anchorsIn('docs/reference/errors.md')
  for (const code of errorCodes) {
    const { message, hint, status, exit } = errorTable[code]
    t.ok(message.length > 8 && hint.length > 8, `${code} speaks`)
    t.ok(status >= 400 && status < 600 && exit > 0, `${code} has a status and an exit code`)
    t.ok(page.has(code.toLowerCase()), `${code} is on its page`)
  }
})

t.test('every error that is described is raised by somebody', async (t) => {
  const tables = /src\/base\/(refusals|\w+-faults)\.ts$/
  const sources = [
    ...filesBelow('src', /\.ts$/),
    ...filesBelow('workers', /\.ts$/),
    ...filesBelow('native', /\.(rs|cc|h)$/),
  ]
  const text = sources
    .filter((path) => !tables.test(path))
    .map(read)
    .join('\n')
  t.same(
    errorCodes.filter((code) => !text.includes(code)),
    [],
  )
})

t.test('no error is raised that is not described', async (t) => {
  const sources = [...filesBelow('src', /\.ts$/), ...filesBelow('native', /\.(rs|cc|h)$/), ...pages]
  const known = new Set<string>(errorCodes)
  const strange = sources.flatMap((path) =>
    [...read(path).matchAll(/\bENGINE_ERR_[A-Z0-9_]*[A-Z0-9]\b/g)]
      .filter(([code]) => !known.has(code))
      .map(([code]) => `${path}: ${code}`),
  )
  t.same(strange, [])
})

t.test('every field of the configuration says its effect, its worst case and its unit', async (t) => {
  t.ok(fields.length > 10)
  for (const { path, type, meta } of fields) {
    t.ok((meta?.effect ?? '').length > 10, `${path} says its effect`)
    t.ok((meta?.worstCase ?? '').length > 10, `${path} says its worst case`)
    if (type === 'number') t.ok(meta?.unit, `${path} says its unit`)
  }
})

t.test('every limit says why it is what it is', async (t) => {
  const limits = [...read('docs/reference/limits.md').matchAll(/^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$/gm)]
  t.ok(limits.length > 10)
  t.same(
    limits
      .filter(([, , value, why]) => (value ?? '').trim() === '' || (why ?? '').trim().length < 20)
      .map(([, name]) => name),
    [],
  )
})

t.test('every limit limits something', async (t) => {
  const tables = filesBelow('src/base', /(^|-)limits\.ts$/)
  const limits = tables.flatMap((path) =>
    [...read(path).matchAll(/^export const (\w+)/gm)].map((found) => found[1] ?? ''),
  )
  const text = [...filesBelow('src', /\.ts$/), ...filesBelow('workers', /\.ts$/)]
    .filter((path) => !tables.includes(path))
    .map(read)
    .join('\n')
  t.same(
    limits.filter((name) => !new RegExp(`\\b${name}\\b`).test(text)),
    [],
  )
})

t.test('every event of the fleet is on the page of webhooks, once', async (t) => {
  const rows = read('docs/guide/webhooks.md').match(/^\| `engine\.[^|]*\|/gm) ?? []
  t.same(
    fleetEventTypes.filter((type) => rows.filter((row) => row.includes(`\`${type}\``)).length !== 1),
    [],
  )
})

t.test('names of metrics follow the rules of Prometheus', async (t) => {
  for (const [name, { type, unit, help }] of Object.entries(metricTable)) {
    t.match(name, /^engine_[a-z_]+$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name} ends with _total when it counts`)
    if (unit === 'seconds') t.match(name, /_seconds$/)
    t.match(help, /\.$/)
  }
})
