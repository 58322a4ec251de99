// Goal: what users import is what is promised, and changes only on purpose.
// Method: the doors are read as syntax: they may only re-export, and only these names.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { read, root } from '../support/repository.js'

const LINES_MAX = 60

/** `export type * from './client.js'`: all the types of that door. */
const allOf = (statement: ts.ExportDeclaration): readonly ts.Statement[] =>
  statement.moduleSpecifier?.getText() === "'./client.js'" ? sourceOf('src/client.ts') : []

const sourceOf = (path: string): readonly ts.Statement[] =>
  ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2022, true).statements

/** The doors of the package, what is imported from them as values, and the types that programs write down. */
const doors = [
  {
    path: 'src/index.ts',
    values: ['Client', 'Coordinator', 'EngineError', 'Node', 'errorCodes', 'loadConfig'],
    types: ['Config', 'CoordinatorOptions', 'Job', 'JobEvent', 'JobView', 'NodeOptions', 'PublishOptions'],
  },
  {
    path: 'src/client.ts',
    values: ['Client', 'EngineError', 'errorCodes'],
    types: [
      ...['ClientOptions', 'ErrorCode', 'Job', 'JobEvent', 'JobFilter', 'JobNode', 'JobPolicy', 'JobState', 'JobView'],
      ...['AccountEvent', 'Canary', 'EditRequest', 'FileView', 'FilesApi', 'NodeStateView', 'UploadEvent', 'VerifyRun'],
      ...['NodeView', 'PublishOptions', 'Receipt', 'RollbackOptions', 'SiteView', 'VersionView'],
    ],
  },
]

interface Name {
  readonly name: string
  readonly isType: boolean
}

const namesOf = (statements: readonly ts.Statement[]): readonly Name[] =>
  statements.flatMap((statement): Name[] => {
    if (!ts.isExportDeclaration(statement)) return []
    const clause = statement.exportClause
    if (clause === undefined && statement.isTypeOnly) return namesOf(allOf(statement)).filter(({ isType }) => isType)
    if (clause === undefined || !ts.isNamedExports(clause)) return [{ name: '*', isType: false }]
    return clause.elements.map((one) => ({ name: one.name.text, isType: statement.isTypeOnly || one.isTypeOnly }))
  })

for (const { path, values, types } of doors) {
  const statements = sourceOf(path)
  const names = namesOf(statements)

  t.test(`${path} re-exports, and does nothing else`, async (t) => {
    t.ok(statements.every((statement) => ts.isExportDeclaration(statement)))
    t.ok(read(path).split('\n').length <= LINES_MAX)
  })

  t.test(`users of ${path} get these values, and no others`, async (t) => {
    const exported = names.filter(({ isType }) => !isType).map(({ name }) => name)
    t.same(exported.toSorted(), values.toSorted())
  })

  t.test(`users of ${path} can name what they are given`, async (t) => {
    const exported = names.filter(({ isType }) => isType).map(({ name }) => name)
    t.same(
      types.filter((name) => !exported.includes(name)),
      [],
      'none is missing',
    )
  })
}

t.test('the package carries what builds its addons where it is installed', async (t) => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(stdout) as [{ files: readonly { path: string }[] }]
  const packed = new Set(files.map(({ path: file }) => file))
  const { install } = (JSON.parse(read('package.json')) as { scripts: { install: string } }).scripts
  const builder = install.split(' ')[1] ?? ''
  const needed = ['native/Cargo.lock', 'native/addon/Cargo.toml', 'native/addon/index.cjs', 'binding.gyp', builder]
  t.same(
    needed.filter((file) => !packed.has(file)),
    [],
    'none is missing',
  )
  t.same(
    [...packed].filter((file) => /\.node$|^native\/(target|build)\//.test(file)),
    [],
    'nothing built is in it',
  )
})

t.test('every door is a way into the package', async (t) => {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, { default: string }> }
  t.match(exports, { '.': { default: './dist/src/index.js' }, './client': { default: './dist/src/client.js' } })
})

t.test('every way into the package leads to a source', async (t) => {
  const { exports, bin } = JSON.parse(read('package.json')) as {
    exports: Record<string, { types: string; default: string }>
    bin: Record<string, string>
  }
  const built = [...Object.values(exports).flatMap((one) => [one.types, one.default]), ...Object.values(bin)]
  const sourceOf = (file: string): string => file.replace(/^\.\/dist\//, '').replace(/(\.d\.ts|\.js)$/, '.ts')
  t.same(
    built.filter((file) => !existsSync(join(root, sourceOf(file)))),
    [],
  )
})
