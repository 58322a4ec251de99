// Goal: an operator's slip is named with its place and the way out; what is right comes out whole and frozen.
// Method: real files in a test directory; surroundings are given, never the machine's.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type LoadOptions, loadConfig, loadUrl } from '../../../src/config/load.js'

const around = (workingDirectory: string, environment: Record<string, string> = {}) => ({
  environment: { HOME: join(workingDirectory, 'home'), ...environment },
  workingDirectory,
  isRoot: false,
  hostName: 'ams-1.example',
  systemDirectory: join(workingDirectory, 'etc'),
  onTerminal: false,
})

const load = (
  t: Test,
  files: Record<string, string>,
  more: LoadOptions & { environment?: Record<string, string> } = {},
) => {
  const { environment, ...options } = more
  return loadConfig({ surroundings: around(t.testdir(files), environment), ...options })
}

const problem = async (loading: Promise<unknown>, code = 'ENGINE_ERR_CONFIG_INVALID'): Promise<string> => {
  const error: unknown = await loading.then(
    () => new Error('was accepted'),
    (caught: unknown) => caught,
  )
  if (!(error instanceof Error)) return String(error)
  return Reflect.get(error, 'code') === code ? error.message : `${String(Reflect.get(error, 'code'))} ${error.message}`
}

t.test('without a file, variables and flags every field has its default', async (t) => {
  const config = await load(t, {})
  t.match(config, {
    role: 'coordinator',
    url: 'http://127.0.0.1:7400',
    insecure: false,
    log: { level: 'info', format: 'json' },
    coordinator: {
      listen: { host: '127.0.0.1', port: 7400 },
      data: { host: '127.0.0.1', port: 0, announceHost: null },
    },
    node: { join: 'http://127.0.0.1:7400', name: 'ams-1.example', groups: ['default'], segment: 'default' },
  })
  t.equal(config.coordinator.dataDir, join(t.testdirName, 'home/.local/state/engine'))
})

t.test('flags are stronger than variables, variables than the file, the file than defaults', async (t) => {
  const files = { 'engine.yaml': 'role: node\nnode:\n  name: from-file\n  segment: from-file\n  groups: [one]\n' }
  const config = await load(t, files, {
    environment: { ENGINE_NODE__NAME: 'from-env', ENGINE_NODE__SEGMENT: 'from-env', ENGINE_NODE__GROUPS: 'a, b' },
    flags: { node: { segment: 'from-flag', name: undefined } },
  })
  t.match(config, { role: 'node', node: { name: 'from-env', segment: 'from-flag', groups: ['a', 'b'] } })
})

t.test('an unknown key is named with line, column and the nearest known key', async (t) => {
  const files = { 'engine.yaml': 'role: node\nnode:\n  segmant: ams\n' }
  t.equal(
    await problem(load(t, files)),
    `the configuration is not valid: ${t.testdirName}/engine.yaml:3:3: ` +
      'node.segmant is not known; did you mean node.segment?',
  )
})

t.test('a key in the wrong place is told where it belongs', async (t) => {
  t.match(
    await problem(load(t, { 'engine.yaml': 'groups: ams\n' })),
    /:1:1: groups is not known; did you mean node\.groups\?/,
  )
})

t.test('a key that resembles nothing is told what is known there', async (t) => {
  t.match(
    await problem(load(t, { 'engine.yaml': 'log:\n  zzzzzz: 1\n' })),
    /log\.zzzzzz is not known; known here: level, format/,
  )
})

t.test('all bad fields are named at once, each with what may stand there', async (t) => {
  const files = {
    'engine.yaml':
      'role: boss\ncoordinator:\n  listen:\n    port: 70000\nnode:\n  groups: [ok, "not ok"]\n' +
      '  data:\n    host: example.org\n',
  }
  const message = await problem(load(t, files))
  t.match(message, /:1:1: role must be coordinator \| node \| both, not "boss"/)
  t.match(message, /:4:5: coordinator\.listen\.port must be 0–65535, not 70000/)
  t.match(message, /:6:3: node\.groups\.1 must be 1 to 64 letters/)
  t.match(message, /:8:5: node\.data\.host must be a numeric address/)
})

t.test('what is no YAML is refused with its line', async (t) => {
  t.match(await problem(load(t, { 'engine.yaml': 'role: node\nnode: {\n' })), /engine\.yaml:\d+:\d+: /)
  t.match(await problem(load(t, { 'engine.yaml': 'role: node\nrole: both\n' })), /:2:1: Map keys must be unique/)
  t.match(await problem(load(t, { 'engine.yaml': '- role\n' })), /must be keys and values/)
})

t.test('a file that is asked for must be there; one that is only looked for need not', async (t) => {
  t.match(await problem(load(t, {}, { file: 'other.yaml' })), /there is no file other\.yaml/)
  t.match(await problem(load(t, {}, { environment: { ENGINE_CONFIG: 'env.yaml' } })), /there is no file env\.yaml/)
  t.match(await load(t, { 'other.yaml': 'role: node\n' }, { file: 'other.yaml' }), { role: 'node' })
  t.match(await load(t, { 'env.yaml': 'role: both\n' }, { environment: { ENGINE_CONFIG: 'env.yaml' } }), {
    role: 'both',
  })
})

t.test('the user’s own file is found where XDG says', async (t) => {
  const directory = t.testdir({ xdg: { engine: { 'engine.yaml': 'role: node\n' } } })
  const environment = { XDG_CONFIG_HOME: join(directory, 'xdg') }
  t.match(await loadConfig({ surroundings: around(directory, environment) }), { role: 'node' })
})

t.test('a directory in place of a file is an error, not an empty configuration', async (t) => {
  const directory = t.testdir({ 'engine.yaml': {} })
  t.match(await problem(loadConfig({ surroundings: around(directory) })), /engine\.yaml cannot be read/)
})

t.test('an empty file says nothing', async (t) => {
  t.match(await load(t, { 'engine.yaml': '# nothing yet\n' }), { role: 'coordinator' })
})

t.test('a variable is read by the type of its field', async (t) => {
  const environment = {
    ENGINE_INSECURE: 'true',
    ENGINE_COORDINATOR__LISTEN__PORT: '0',
    ENGINE_COORDINATOR__LISTEN__HOST: '0.0.0.0',
  }
  t.match(await load(t, {}, { environment }), { insecure: true, coordinator: { listen: { host: '0.0.0.0', port: 0 } } })
  t.match(
    await problem(load(t, {}, { environment: { ENGINE_INSECURE: 'maybe' } })),
    /ENGINE_INSECURE: "maybe" is neither/,
  )
  const port = { ENGINE_COORDINATOR__LISTEN__PORT: 'http' }
  t.match(
    await problem(load(t, {}, { environment: port })),
    /ENGINE_COORDINATOR__LISTEN__PORT: .* must be 0–65535, not "http"/,
  )
  t.match(await load(t, {}, { environment: { ENGINE_ROLE: '' } }), { role: 'coordinator' }, 'empty says nothing')
})

t.test('a misspelt variable is refused, a stranger’s is not', async (t) => {
  const slip = { ENGINE_NODE__SEGMNT: 'ams' }
  t.match(
    await problem(load(t, {}, { environment: slip })),
    /ENGINE_NODE__SEGMNT is not known; did you mean ENGINE_NODE__SEGMENT\?/,
  )
  t.match(await load(t, {}, { environment: { ENGINE_SERVICE_HOST: '10.0.0.1', ENGINE_TOKEN: 'x' } }), {
    role: 'coordinator',
  })
})

t.test('variables are put into the text of a file', async (t) => {
  const files = { 'engine.yaml': 'role: node\nnode:\n  name: ${env:SITE}-1\n' }
  t.match(await load(t, files, { environment: { SITE: 'ams' } }), { node: { name: 'ams-1' } })
  t.match(await problem(load(t, files)), /the variable SITE is not set/)
})

t.test('listening beyond loopback needs insecure, for the roles that listen', async (t) => {
  const code = 'ENGINE_ERR_INSECURE_LISTEN'
  const open = { host: '0.0.0.0' }
  t.match(
    await problem(load(t, {}, { flags: { coordinator: { listen: open } } }), code),
    /^coordinator\.listen listens on 0\.0\.0\.0/,
  )
  t.match(await problem(load(t, {}, { flags: { coordinator: { data: open } } }), code), /^coordinator\.data/)
  t.match(await problem(load(t, {}, { flags: { role: 'node', node: { data: open } } }), code), /^node\.data/)
  t.match(await load(t, {}, { flags: { node: { data: open } } }), { role: 'coordinator' }, 'a coordinator has no node')
  t.match(await load(t, {}, { flags: { insecure: true, coordinator: { listen: open } } }), { insecure: true })
})

t.test('both roles in one directory keep apart', async (t) => {
  const both = await load(t, {}, { flags: { role: 'both', dataDir: 'data' } })
  t.equal(both.coordinator.dataDir, join(t.testdirName, 'data/coordinator'))
  t.equal(both.node.dataDir, join(t.testdirName, 'data/node'))
  t.equal(both.node.join, null, 'the node joins the coordinator in this process')
  const one = await load(t, {}, { flags: { role: 'node', dataDir: '/srv/engine' } })
  t.equal(one.node.dataDir, '/srv/engine')
})

t.test('root keeps data where services do, and a terminal gets text', async (t) => {
  const surroundings = { ...around(t.testdir({})), isRoot: true, onTerminal: true, hostName: '-weird host!' }
  t.match(await loadConfig({ surroundings }), {
    coordinator: { dataDir: '/var/lib/engine' },
    log: { format: 'text' },
    node: { name: 'weird-host-' },
  })
})

t.test('the result is frozen to its depth', async (t) => {
  const config = await load(t, {})
  t.throws(() => Object.assign(config.coordinator.listen, { port: 1 }), TypeError)
  t.throws(() => (config.node.groups as string[]).push('x'), TypeError)
})

t.test('a file beyond the limit is refused before it is read', async (t) => {
  t.match(await problem(load(t, { 'engine.yaml': `# ${'x'.repeat(2 ** 20)}\n` })), /larger than/)
})

t.test(
  'commands ask the coordinator of the file that serve would read, and a broken one is told with its line',
  async (t) => {
    const ask = (files: Record<string, string>, environment: Record<string, string> = {}): Promise<string> =>
      loadUrl({ surroundings: around(t.testdir(files), environment) })
    t.equal(await ask({}), 'http://127.0.0.1:7400')
    t.equal(await ask({ 'engine.yaml': 'url: http://c:1\ncoordinator:\n  listen:\n    host: 0.0.0.0\n' }), 'http://c:1')
    t.equal(
      await ask({ 'own.yaml': 'url: http://c:2\n', 'engine.yaml': 'role:' }, { ENGINE_CONFIG: 'own.yaml' }),
      'http://c:2',
    )
    t.match(await problem(ask({}, { ENGINE_CONFIG: 'none.yaml' })), /none\.yaml/)
    t.match(
      await problem(ask({ 'engine.yaml': 'role: node\nulr: http://c:1\n' })),
      /engine\.yaml:2:1: ulr .*did you mean url/,
    )
    t.match(await problem(ask({ 'engine.yaml': 'role: node\nurl: c\n' })), /engine\.yaml:2:1: url must be a URL/)
    await t.rejects(ask({ 'engine.yaml': 'a: [\n' }), { message: /engine\.yaml:2:1/, hint: /--url or ENGINE_URL/ })
  },
)
