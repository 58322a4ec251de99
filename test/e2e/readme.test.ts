// Goal: the README's program runs as printed.
// Method: it is cut out of the README, its types are taken away, and it runs in a project of its own that has
// this package in node_modules.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { start } from '../support/process.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

t.test('the program of the README publishes a site and says so', async (t) => {
  const readme = await readFile(`${root}README.md`, 'utf8')
  const source = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  t.match(source, /Coordinator\.open/)
  const directory = await mkdtemp(`${tmpdir()}/distributary-readme-`)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  await mkdir(`${directory}/site`)
  await writeFile(`${directory}/site/index.html`, 'hello')
  await mkdir(`${directory}/node_modules`)
  await symlink(root, `${directory}/node_modules/distributary`)
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
  await writeFile(`${directory}/program.mjs`, ts.transpileModule(source, { compilerOptions: options }).outputText)
  const program = 'process.chdir(process.argv[1]); await import(process.argv[1] + "/program.mjs")'
  const outcome = await start(process.execPath, ['--input-type=module', '-e', program, directory]).exited
  t.equal(outcome.code, 0, outcome.stderr)
  t.match(outcome.stdout, /edge-1/)
  t.match(outcome.stdout, /www@1 is live/)
  t.equal(await readFile(`${directory}/data/node/sites/www/live/index.html`, 'utf8'), 'hello')
})
