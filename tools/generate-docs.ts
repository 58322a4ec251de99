// Writes docs/reference from the tables and schemas in the code: errors, config, limits, metrics, the API.
// Usage: npm run docs; with --check it writes nothing and fails when a page is not what it should be.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { ErrorRow } from '../src/base/error-row.js'
import { errorTable } from '../src/base/errors.js'
import { formatBytes, formatDuration } from '../src/base/quantities.js'
import { type MetricRow, metricTable } from '../src/base/metrics.js'
import { type Field, fields } from '../src/config/fields.js'
import { openApiDocument } from '../src/control/server.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const note = '<!-- Made by `npm run docs`; edit the table in the code instead. -->'
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n')
/** Placeholders are set as code, unless they are within code already. */
const asCode = (text: string): string =>
  text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/\{(\w+)\}/g, '`{$1}`')))
    .join('`')

function errorsPage(): string {
  const rows: [string, ErrorRow][] = Object.entries(errorTable)
  const sections = rows.map(([code, row]) =>
    [
      `## ${code}`,
      '',
      `${asCode(row.message)}`,
      '',
      `- HTTP ${row.status}, exit code ${row.exit}, ${row.retryable ? 'worth trying again' : 'trying again is no use'}`,
      `- way out: ${asCode(row.hint)}`,
    ].join('\n'),
  )
  return [
    '# Errors',
    '',
    note,
    '',
    'Every error has a code that stays; texts may change. Programs switch on the code, people read the way out.',
    'Words in braces are filled with the facts of the case.',
    '',
    sections.join('\n\n'),
  ].join('\n')
}

function shown(field: Field): string {
  const { default: value } = field
  return value === undefined ? 'none' : `\`${JSON.stringify(value)}\``
}

function fieldSection(field: Field): string {
  const { meta } = field
  const unit = meta?.unit === undefined ? '' : `, ${meta.unit}`
  return [
    `## ${field.path}`,
    '',
    `${meta?.effect ?? ''}`,
    '',
    `- ${field.allowed}${unit}; default ${shown(field)}${meta?.advanced === true ? '; rarely needed' : ''}`,
    ...(field.variable === null
      ? []
      : [`- environment: \`${field.variable}\`${field.type === 'map' ? ', as JSON' : ''}`]),
    `- at worst: ${meta?.worstCase ?? ''}`,
  ].join('\n')
}

function configPage(): string {
  return [
    '# Configuration',
    '',
    note,
    '',
    'One YAML file: `--config FILE`, else `$ENGINE_CONFIG`, `./engine.yaml`, `$XDG_CONFIG_HOME/engine/engine.yaml`,',
    '`/etc/engine/engine.yaml`. Flags are stronger than variables, variables than the file. A dot below is a level of',
    'the file, two underscores in a variable. Lists in variables are separated by commas. `${env:NAME}` in the text of',
    'the file is replaced by that variable. A key that is not known is an error.',
    '',
    fields.map(fieldSection).join('\n\n'),
  ].join('\n')
}

interface Limit {
  readonly name: string
  readonly value: unknown
  readonly reason: string
}

/** Reads names and reasons from the source, values from the module itself. */
async function readLimits(file: string): Promise<Limit[]> {
  const path = `${root}src/base/${file}`
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true)
  const values: Readonly<Record<string, unknown>> = await import(path)
  return source.statements.filter(ts.isVariableStatement).flatMap((statement) => {
    const reason = ts
      .getJSDocCommentsAndTags(statement)
      .map((comment) => ts.getTextOfJSDocComment(comment.comment) ?? '')
      .join(' ')
    return statement.declarationList.declarations.map((declaration) => {
      const name = declaration.name.getText()
      return { name, value: values[name], reason }
    })
  })
}

function limitText({ name, value }: Limit): string {
  if (typeof value !== 'number') return String(JSON.stringify(value))
  if (/_MS(_|$)/.test(name)) return formatDuration(value)
  if (/_BYTES(_|$)/.test(name)) return formatBytes(value)
  return String(value)
}

async function limitsPage(): Promise<string> {
  const files = readdirSync(`${root}src/base`).filter((name) => /(^|-)limits\.ts$/.test(name))
  const all = await Promise.all(files.toSorted().map(readLimits))
  const rows = all.flat().map((limit) => [`\`${limit.name}\``, limitText(limit), limit.reason])
  return [
    '# Limits',
    '',
    note,
    '',
    'Everything has a limit. Those of the data plane are in [the protocol](../protocol.md).',
    '',
    table(['limit', 'value', 'why'], rows),
  ].join('\n')
}

function metricsPage(): string {
  const all: [string, MetricRow][] = Object.entries(metricTable)
  const rows = all.map(([name, row]) => [`\`${name}\``, row.type, row.unit, row.labels.join(', ') || 'none', row.help])
  return [
    '# Metrics',
    '',
    note,
    '',
    'Served at `/metrics` of the coordinator for Prometheus, beside memory, uptime and processor time of the process',
    '(`process_resident_memory_bytes`, `process_uptime_seconds`, `process_cpu_seconds`,',
    '`process_event_loop_delay_seconds`: how late the main thread is, 99th percentile since the last look).',
    '',
    table(['metric', 'type', 'unit', 'labels', 'meaning'], rows),
  ].join('\n')
}

const pages: Readonly<Record<string, string>> = {
  'errors.md': errorsPage(),
  'config.md': configPage(),
  'limits.md': await limitsPage(),
  'metrics.md': metricsPage(),
  'openapi.json': JSON.stringify(await openApiDocument(), null, 2),
}

const isCheck = process.argv.includes('--check')
const directory = `${root}docs/reference`
if (!isCheck) mkdirSync(directory, { recursive: true })

function found(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // Not there yet: it is written below, or reported.
  }
}

for (const [name, text] of Object.entries(pages)) {
  const path = `${directory}/${name}`
  const wanted = `${text}\n`
  if (found(path) === wanted) continue
  if (!isCheck) writeFileSync(path, wanted)
  else {
    console.error(`docs/reference/${name} is not what the code says: run npm run docs and commit it`)
    process.exitCode = 1
  }
}
