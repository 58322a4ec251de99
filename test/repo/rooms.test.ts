// Goal: the tree of folders is the one that was designed: rooms in the order of the path, each with its contract at
// the top of its main file, and the map names every room and none that is not.
// Method: folders are listed, pages are read, and the layer rules are tried on a small tree that breaks them.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { filesBelow, foldersIn, read, root } from '../support/repository.js'

/** Rooms of src, in the order of the path; those of later work are simply absent. */
const rooms = ['base', 'model', 'config']
  .concat(['content', 'uploads', 'plan', 'jobs', 'transfer', 'segment', 'node', 'track', 'store'])
  .concat(['control', 'live', 'outside', 'bench', 'coordinator', 'sending', 'cli', 'native', 'pool'])
const crates = ['wire', 'content', 'rate', 'spread', 'stored', 'mctp', 'relay', 'beneath', 'simnet', 'rehearsal']
const nativeFolders = ['crates', 'addon', 'multicast', 'fuzz']
const tests = ['unit', 'property', 'simulation', 'lab', 'e2e', 'badinput', 'powercut', 'vectors', 'repo', 'support']
const HEAD_LINES_MAX = 12

t.test('every folder is a room of the design', async (t) => {
  const strange = (folder: string, known: readonly string[]): string[] =>
    foldersIn(folder).filter((name) => !known.includes(name))
  t.same(strange('src', rooms), [])
  t.same(strange('native', nativeFolders), [])
  t.same(strange('native/crates', crates), [])
  t.same(strange('test', tests), [])
})

t.test('what the package promises at the top level is there', async (t) => {
  const promised = [
    'package.json',
    'binding.gyp',
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
  ].concat(['LICENSE', 'native', 'src', 'workers', 'bench', 'test', 'tools', 'docs', '.ci/run'])
  t.same(
    promised.filter((name) => !existsSync(join(root, name))),
    [],
  )
})

/** The comment that a file begins with; blank when it begins with code. */
function headOf(path: string): string[] {
  const lines = read(path).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  return lines.slice(0, end)
}

t.test('each room opens with what comes in, what goes out, and what it must never do', async (t) => {
  const contract = [/\bIn: /, /\bOut: /, /\bNever: /]
  for (const room of foldersIn('src').filter((name) => name !== 'model')) {
    const heads = filesBelow(`src/${room}`, /\.ts$/).map((path) => headOf(path))
    const whole = heads.filter((head) => contract.every((part) => part.test(head.join('\n'))))
    t.ok(whole.length > 0, `src/${room} has a file that opens with In:, Out: and Never:`)
    t.ok(
      whole.every((head) => head.length <= HEAD_LINES_MAX),
      `the contract of src/${room} has at most ${HEAD_LINES_MAX} lines`,
    )
  }
})

t.test('each crate says at its top what it is', async (t) => {
  for (const crate of foldersIn('native/crates')) {
    t.match(read(`native/crates/${crate}/src/lib.rs`), /^\/\/! \S/, crate)
  }
})

t.test('the map names every room and none that is not', async (t) => {
  const map = read('ARCHITECTURE.md')
  const named = new Set(
    [...map.matchAll(/`((?:src|native|workers|test|docs|bench|tools)(?:\/[\w.-]+)*)\/?`/g)].map((m) => m[1] ?? ''),
  )
  t.same(
    [...named].filter((path) => !existsSync(join(root, path))),
    [],
    'what it names is there',
  )
  const wanted = [
    ...foldersIn('src').map((name) => `src/${name}`),
    ...foldersIn('native/crates').map((name) => `native/crates/${name}`),
    ...foldersIn('native')
      .filter((name) => name !== 'crates')
      .map((name) => `native/${name}`),
    'workers',
  ]
  t.same(
    wanted.filter((path) => !named.has(path)),
    [],
    'what is there is named',
  )
})

t.test('the map lists the numbered rooms in the order of the path', async (t) => {
  const listed = [...read('ARCHITECTURE.md').matchAll(/^\| `src\/(\w+)`/gm)].map((found) => found[1] ?? '')
  const numbered = rooms.slice(3, 12).filter((room) => listed.includes(room))
  t.same(
    listed.filter((room) => numbered.includes(room)),
    numbered,
  )
})

t.test('only the door of the addons loads one', async (t) => {
  const loaders = filesBelow('src', /\.ts$/)
    .concat(filesBelow('workers', /\.ts$/))
    .filter((path) => /\.node['"`]|createRequire|process\.dlopen/.test(read(path)))
  t.same(
    loaders.filter((path) => !path.startsWith('src/native/')),
    [],
  )
})

t.test('pure crates bring no sockets, files or clocks', async (t) => {
  for (const crate of ['wire', 'spread']) {
    const code = filesBelow(`native/crates/${crate}/src`, /\.rs$/).filter((path) => !path.endsWith('tests.rs'))
    const reaching = code.filter((path) =>
      /std::(fs|thread|time::(Instant|SystemTime))|std::net::(Tcp|Udp)/.test(read(path)),
    )
    t.same(reaching, [], crate)
    t.notMatch(
      read(`native/crates/${crate}/Cargo.toml`).split('[dev-dependencies]')[0] ?? '',
      /rustix|mio|tokio|socket2/,
    )
  }
})

const cruise = join(root, 'node_modules', '.bin', 'depcruise')
const rules = join(root, '.dependency-cruiser.cjs')

t.test('each rule of the layers catches who breaks it', async (t) => {
  const file = (name: string): string => `export const ${name} = 1\n`
  const reach = (...paths: string[]): string =>
    paths.map((path, index) => `import * as a${index} from '${path}'\nvoid a${index}\n`).join('')
  const directory = t.testdir({
    'package.json': '{"type": "module"}',
    'tsconfig.json': '{"compilerOptions": {"module": "nodenext", "moduleResolution": "nodenext", "target": "es2023"}}',
    src: {
      'index.ts': reach('./coordinator.js', './client.js'),
      'coordinator.ts': reach('./plan/order.js', './store/store.js', './jobs/job.js'),
      'client.ts': reach('./control/client.js', './lonely-user.js'),
      'lonely-user.ts': file('user'),
      'lonely.ts': file('lonely'),
      base: { 'errors.ts': reach('../model/job.js'), 'clock.ts': file('clock') },
      model: { 'job.ts': reach('../native/load.js') },
      plan: { 'order.ts': reach('node:fs') },
      jobs: { 'job.ts': reach('../coordinator.js', '../track/fold.js') },
      track: { 'fold.ts': file('fold') },
      content: { 'index.ts': reach('../config/load.js') },
      transfer: { 'index.ts': reach('../pool/pool.js', '../../workers/pack.js') },
      node: { 'core.ts': reach('../control/schema/node.js', '../config/load.js') },
      store: { 'store.ts': reach('../control/client.js') },
      native: { 'load.ts': reach('../pool/pool.js') },
      pool: { 'pool.ts': reach('../../native/addon/index.cjs', '../index.js', '../config/load.js') },
      config: { 'load.ts': file('load') },
      control: {
        'client.ts': reach('../store/store.js', '../../test/thing.js'),
        schema: { 'node.ts': file('node') },
      },
      cli: { 'main.ts': reach('../store/store.js', '../pool/pool.js') },
    },
    workers: { 'pack.ts': reach('../src/store/store.js') },
    native: { addon: { 'index.cjs': 'module.exports = {}\n' } },
    test: { 'thing.ts': file('thing') },
  })
  const args = ['--config', rules, '--output-type', 'json', 'src', 'workers', 'test']
  const { stdout } = spawnSync(cruise, args, { cwd: directory, encoding: 'utf8', maxBuffer: 2 ** 26 })
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string } }[] } }
  const caught = new Set(summary.violations.map(({ rule }) => rule.name))
  for (const rule of [
    'no-circular',
    'base-imports-nothing',
    'model-and-config-on-base',
    'pure-rooms',
    'rooms-do-not-meet',
    'rooms-do-not-know-the-composition',
    ...['content', 'transfer', 'node', 'store', 'control', 'native', 'pool'].map((room) => `${room}-as-the-map-says`),
    'workers-behind-the-pool',
    'store-opened-by-coordinator',
    'native-behind-door',
    'index-is-a-door',
    'cli-over-api',
    'control-asks-the-coordinator',
    'workers-carry-out',
    'product-without-tests',
    'no-orphans',
  ]) {
    t.ok(caught.has(rule), rule)
  }
})

t.test('nobody breaks a rule of the layers', async (t) => {
  const args = ['--config', rules, '--output-type', 'err-long', 'src', 'workers']
  t.doesNotThrow(() => execFileSync(cruise, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 }))
})
