// Goal: a slip in the declaration of a hook is told when the node starts, with its place, never when the hook runs.
// Method: real files, and the same through the door of embedding programs.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HOOKS_MAX } from '../../../src/base/limits.js'
import { configJsonSchema } from '../../../src/config/fields.js'
import { type HooksInput, readHooks } from '../../../src/config/hooks.js'
import { loadConfig } from '../../../src/config/load.js'
import type { Config } from '../../../src/config/schema.js'

const load = (t: Test, text: string, environment: Record<string, string> = {}): Promise<Config> => {
  const workingDirectory = t.testdir({ 'engine.yaml': text })
  const surroundings = {
    ...{ workingDirectory, isRoot: false, hostName: 'n1', onTerminal: false },
    environment: { HOME: join(workingDirectory, 'home'), ...environment },
    systemDirectory: join(workingDirectory, 'etc'),
  }
  return loadConfig({ surroundings })
}

const hook = (lines: string): string =>
  `node:\n  hooks:\n    reload:\n      command: [nginx, -s, reload]\n${lines.replaceAll(/^(?=.)/gm, '      ')}`

const problem = (t: Test, text: string, environment?: Record<string, string>): Promise<string> =>
  load(t, text, environment).then(
    () => 'was accepted',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

t.test('a hook of one line has every default; one that says all comes out whole and frozen', async (t) => {
  const { node } = await load(t, hook(''))
  t.match(node.hooks, [
    { name: 'reload', command: ['nginx', '-s', 'reload'], on: null, sites: null, timeoutMs: 60_000, repeatable: false },
  ])
  const full = await load(
    t,
    hook(
      'on: after-commit\nsites: [www]\ntimeoutMs: 5000\nrepeatable: true\ncwd: /srv\nenv: {A: "${env:HOME}"}\n' +
        'arguments:\n  depth: {type: integer, min: 1, max: 9, default: 2}\n  path: {type: string, pattern: "[a-z]+"}\n',
    ),
  )
  t.match(full.node.hooks, [
    { on: 'after-commit', sites: ['www'], cwd: '/srv', env: [['A', /home$/]], arguments: [{ name: 'depth' }, {}] },
  ])
  t.ok(Object.isFrozen(full.node.hooks[0]?.arguments[0]))
})

t.test('slips are named with their place and the nearest known key', async (t) => {
  t.match(
    await problem(t, hook('timeout: 5\n')),
    /:5:7: node\.hooks\.reload\.timeout is not known; did you mean node\.hooks\.reload\.timeoutMs\?/,
  )
  t.match(
    await problem(t, hook('on: commit\n')),
    /:5:7: .*on must be before-commit \| after-commit \| health, not "commit"/,
  )
  t.match(
    await problem(t, hook('arguments:\n  a: {type: string, patern: x}\n')),
    /:6:\d+: node\.hooks\.reload\.arguments\.a\.patern is not known; did you mean .*arguments\.a\.pattern\?/,
  )
  t.match(await problem(t, hook('timeoutMs: 0\n')), /timeoutMs must be 1–3600000, not 0/)
  t.match(await problem(t, 'node:\n  hooks: [a]\n'), /node\.hooks must be a map by name/)
  t.match(await problem(t, 'node:\n  hooks:\n    a: reload\n'), /node\.hooks\.a /)
})

t.test('each thing that would go wrong when the hook runs is refused before', async (t) => {
  const cases: readonly (readonly [HooksInput[string], RegExp])[] = [
    [{ command: [] }, /command/],
    [{ command: ['a', 'x\0y'] }, /NUL/],
    [{ command: ['./reload'] }, /absolute path/],
    [{ command: ['{a}'], arguments: { a: { type: 'string' } } }, /must begin with a program/],
    [{ command: ['p', '{missing}'] }, /no argument missing is declared/],
    [{ command: ['p', '--x={a}'], arguments: { a: { type: 'string' } } }, /within a word.*ENGINE_ARG_A/],
    [{ command: ['p'], arguments: { a: { type: 'string', pattern: '(' } } }, /no regular expression/],
    [{ command: ['p'], arguments: { a: { type: 'string', pattern: 'a)|(b' } } }, /no regular expression/],
    [{ command: ['p'], arguments: { a: { type: 'integer', pattern: 'x' } } }, /for a string only/],
    [{ command: ['p'], arguments: { a: { type: 'string', min: 1 } } }, /for an integer only/],
    [{ command: ['p'], arguments: { a: { type: 'integer', min: 2, max: 1 } } }, /greater than max/],
    [{ command: ['p'], arguments: { a: { type: 'choice' } } }, /what may be chosen/],
    [{ command: ['p'], arguments: { a: { type: 'string', default: '-x' } } }, /begins with "-"/],
    [{ command: ['p'], arguments: { a: { type: 'string', default: 'x', required: true } } }, /beside a default/],
    [{ command: ['p'], on: 'health', arguments: { a: { type: 'string', required: true } } }, /nobody gives arguments/],
    [{ command: ['p'], arguments: { A: { type: 'string' } } }, /is no name/],
    [{ command: ['p'], env: { ENGINE_SITE: 'x' } }, /not ENGINE_/],
    [{ command: ['p'], env: { 'A=B': 'x' } }, /a name of a variable/],
    [{ command: ['p'], cwd: 'here' }, /absolute path/],
  ]
  for (const [declared, why] of cases) {
    t.throws(() => readHooks({ it: declared }), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: why }, String(why))
  }
  t.throws(() => readHooks({ health: { command: ['p'] } }), { message: /must be health/ })
  t.equal(readHooks({ health: { command: ['p', '{}', '{ print }'], on: 'health' } }).length, 1)
})

t.test('names that are no names are refused, also those that JavaScript keeps for itself', async (t) => {
  t.match(
    await problem(t, 'node:\n  hooks:\n    __proto__: {command: [a]}\n'),
    /:3:5: node\.hooks\.__proto__ is no name/,
  )
  t.match(await problem(t, 'node:\n  hooks:\n    "a b": {command: [a]}\n'), /is no name/)
  t.match(await problem(t, 'node:\n  __proto__: {name: x}\n'), /node\.__proto__ is not known/)
  const two = { ENGINE_NODE__SEGMENT: 'lan' }
  const merged = await problem(t, '__proto__: {url: x}\nnode: {__proto__: {name: x}}\n', two)
  t.match(merged, / node\.__proto__ is not known/)
  t.match(merged, /:1:1: __proto__ is not known/)
  const { node } = await load(t, 'node:\n  hooks:\n    constructor: {command: [a]}\n')
  t.strictSame(
    node.hooks.map(({ name }) => name),
    ['constructor'],
  )
})

t.test('there may be so many and no more', async (t) => {
  const many = (count: number): HooksInput =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, { command: ['a'] }]))
  t.equal(readHooks(many(HOOKS_MAX)).length, HOOKS_MAX)
  t.throws(() => readHooks(many(HOOKS_MAX + 1)), { message: /or fewer/ })
})

t.test('a variable gives all of them as JSON; variables that a hook finds itself are no slips', async (t) => {
  const { node } = await load(t, '', {
    ENGINE_NODE__HOOKS: '{"a":{"command":["b"]}}',
    ENGINE_SITE: 'www',
    ENGINE_ARG_X: '1',
  })
  t.match(node.hooks, [{ name: 'a', command: ['b'] }])
  t.match(await problem(t, '', { ENGINE_NODE__HOOKS: '{' }), /ENGINE_NODE__HOOKS is not JSON/)
  t.match(await problem(t, '', { ENGINE_NODE__HOOKS: '[]' }), /node\.hooks must be a map/)
})

t.test('editors are told what a hook may hold', async (t) => {
  t.match(JSON.stringify(configJsonSchema()), /before-commit/)
})
