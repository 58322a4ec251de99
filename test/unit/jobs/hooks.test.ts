// Goal: a job that names what a node lacks is refused before anything runs, with the names of those nodes.
// Method: what nodes told, by hand.
import t from 'tap'
import { readHooks } from '../../../src/config/hooks.js'
import { NAMES_TOLD_MAX } from '../../../src/base/limits.js'
import { type HookOwner, type NamedHook, requireHook } from '../../../src/jobs/hooks.js'

const hooks = readHooks({
  purge: { command: ['p'], sites: ['www'], arguments: { path: { type: 'string', pattern: '(a+)+', required: true } } },
  constructor: { command: ['p'] },
})
const owners: readonly HookOwner[] = [
  { name: 'n1', hooks },
  { name: 'n2', hooks },
]
const named = (hook: string, args: Record<string, unknown> = {}, site = 'www'): NamedHook => ({ hook, site, args })

t.test('what every node declares may be named, and patterns are not applied here', async (t) => {
  t.doesNotThrow(() => requireHook(named('purge', { path: '!' }), owners))
  t.doesNotThrow(() => requireHook(named('constructor'), owners))
})

t.test('what a node lacks, for this site too, is refused with the names of those nodes', async (t) => {
  const some = [...owners, { name: 'bare', hooks: [] }]
  const refused = { code: 'ENGINE_ERR_HOOK_UNKNOWN', message: 'no hook purge for www is declared on bare' }
  t.throws(() => requireHook(named('purge', { path: 'a' }), some), refused)
  t.throws(() => requireHook(named('purge', { path: 'a' }, 'img'), owners), { message: /is declared on n1, n2/ })
  for (const name of ['__proto__', 'toString']) t.throws(() => requireHook(named(name), owners), { code: refused.code })
  const many = Array.from({ length: NAMES_TOLD_MAX + 3 }, (_, i) => ({ name: `b${i}`, hooks: [] }))
  t.throws(() => requireHook(named('purge'), many), { message: / and 3 more$/ })
})

t.test('what it does not take is refused', async (t) => {
  t.throws(() => requireHook(named('purge'), owners), {
    code: 'ENGINE_ERR_HOOK_ARGUMENTS',
    message: /on n1, path is missing/,
  })
  t.throws(() => requireHook(named('purge', { path: '-x' }), owners), { code: 'ENGINE_ERR_HOOK_ARGUMENTS' })
  t.throws(() => requireHook(named('purge', { path: 'a', b: 1 }), owners), { message: /"b" is not an argument/ })
})

t.test('a node that has told nothing answers for itself, and health may be asked of any', async (t) => {
  t.doesNotThrow(() => requireHook(named('reload'), [{ name: 'away', hooks: null }]))
  t.doesNotThrow(() => requireHook(named('health'), owners))
  t.throws(() => requireHook(named('health', { a: 1 }), owners), { code: 'ENGINE_ERR_HOOK_ARGUMENTS' })
})
