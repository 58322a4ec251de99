// Goal: a job can name what the node declares and nothing else; what a hook is told is true, and how it ended is told.
// Method: real programs; the node's parts around them are real, too.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HOOK_OUTPUT_BYTES_MAX, HOOKS_AT_ONCE_MAX } from '../../../src/base/limits.js'
import type { HooksInput } from '../../../src/config/hooks.js'
import type { HookCall, HookCase, Hooks } from '../../../src/node/hooks.js'
import { NodeParts } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

const open = async (t: Test, hooks: HooksInput): Promise<NodeParts> => {
  const parts = await NodeParts.open(t.testdir(), hooks)
  t.teardown(() => parts.close())
  return parts
}

const callOf = (hooks: Hooks, name: string, given: Record<string, unknown> = {}): HookCall => {
  const call = hooks.call(name, 'www', given)
  if (call === null) throw new Error(`${name} is not declared`)
  return call
}

const about: HookCase = {
  ...{ site: 'www', jobId: 'job-1', command: 'run-hook' },
  release: { release: 7, treeHash: 'a'.repeat(64) },
}

t.test('a hook is told what is going on, and what it was given', async (t) => {
  const { hooks, paths } = await open(t, {
    show: {
      command: ['sh', '-c', 'env | grep -E "^(ENGINE|COLOUR)_?"; echo "word $1, in $PWD"', 'show', '{depth}'],
      arguments: { depth: { type: 'integer', default: 3 } },
      env: { COLOUR: 'blue' },
    },
  })
  const call = callOf(hooks, 'show', { depth: '5' })
  const { output } = await hooks.run(call, about)
  t.strictSame(
    output
      .split('\n')
      .toSorted()
      .filter((line) => line !== ''),
    [
      'COLOUR=blue',
      'ENGINE_ARG_DEPTH=5',
      'ENGINE_COMMAND=run-hook',
      'ENGINE_HOOK=show',
      'ENGINE_JOB=job-1',
      `ENGINE_LIVE=${paths.live('www')}`,
      'ENGINE_NODE=n1',
      'ENGINE_RELEASE=7',
      'ENGINE_SITE=www',
      `ENGINE_STAGED=${paths.release('www', 7)}`,
      `ENGINE_TREE_HASH=${'a'.repeat(64)}`,
      `word 5, in ${paths.directory}`,
    ],
  )
  t.match((await hooks.run({ hook: call.hook, words: new Map() }, { ...about, release: null })).output, /www/)
})

t.test(
  'what is not declared, for another site, or given what it does not take is refused before anything runs',
  async (t) => {
    const { hooks } = await open(t, {
      reload: { command: ['touch', 'ran'], sites: ['www'], arguments: { a: { type: 'string', pattern: '[a-z]+' } } },
    })
    const unknown = { code: 'ENGINE_ERR_HOOK_UNKNOWN' }
    for (const name of ['nope', '__proto__', 'constructor', 'RELOAD', '', '../reload', 'x'.repeat(1_000_000)]) {
      t.throws(() => hooks.call(name, 'www', {}), unknown)
    }
    t.throws(() => hooks.call('reload', 'img', {}), unknown)
    t.throws(() => hooks.call('health', 'www', { a: 1 }), { code: 'ENGINE_ERR_HOOK_ARGUMENTS' })
    for (const a of ['A', '--help', 'a\nb', 'a\0', 'x'.repeat(1_000_000), 1]) {
      t.throws(() => hooks.call('reload', 'www', { a }), { code: 'ENGINE_ERR_HOOK_ARGUMENTS' })
    }
    const hostile: Record<string, unknown> = JSON.parse('{"__proto__": {"a": "x"}}')
    t.throws(() => hooks.call('reload', 'www', hostile), { code: 'ENGINE_ERR_HOOK_ARGUMENTS' })
  },
)

t.test('the coordinator is told names and arguments, never commands', async (t) => {
  const { hooks } = await open(t, { reload: { command: ['/bin/secret'], env: { TOKEN: 'secret' }, cwd: '/secret' } })
  t.notMatch(JSON.stringify(hooks.told), 'secret')
  t.match(hooks.told, [{ name: 'reload', on: null, sites: null, arguments: [], repeatable: false }])
})

t.test('how it ended is told with its last words and the whole of its output', async (t) => {
  const { hooks } = await open(t, {
    bad: { command: ['sh', '-c', 'echo one; echo two; echo "port 80 is taken" >&2; exit 3'] },
    slow: { command: ['sh', '-c', 'echo waiting; exec sleep 1000'], timeoutMs: 200 },
    none: { command: ['/no/such/program'] },
    dead: { command: ['sh', '-c', 'kill -SEGV $$'] },
    loud: { command: ['sh', '-c', 'head -c 20000000 /dev/urandom; exit 1'] },
  })
  const outcomeOf = (name: string) => hooks.run(callOf(hooks, name), about)
  t.match(await outcomeOf('bad'), {
    output: 'one\ntwo\nport 80 is taken\n',
    failed: 'bad',
    error: {
      code: 'ENGINE_ERR_HOOK_FAILED',
      message: 'hook bad of www failed: exit code 3: one / two / port 80 is taken',
    },
  })
  t.match((await outcomeOf('slow')).error, { code: 'ENGINE_ERR_HOOK_TIMEOUT', message: /after 200 ms: waiting/ })
  t.match((await outcomeOf('none')).error, {
    code: 'ENGINE_ERR_HOOK_FAILED',
    message: /no program \/no\/such\/program/,
  })
  t.match((await outcomeOf('dead')).error, { message: /ended by SIGSEGV: it wrote nothing/ })
  const loud = await outcomeOf('loud')
  t.ok(Buffer.byteLength(loud.output) <= HOOK_OUTPUT_BYTES_MAX)
  t.ok((loud.error?.message.length ?? 0) < 400)
})

t.test('of hooks before a switch the first that fails is the last; after it each is run', async (t) => {
  const fail = ['sh', '-c', 'echo $ENGINE_HOOK >> ran; echo $ENGINE_HOOK said no; exit 1']
  const declared = (on: 'before-commit' | 'after-commit'): HooksInput => ({
    first: { command: fail, on },
    other: { command: fail, on, sites: ['img'] },
    second: { command: fail, on },
  })
  const before = await open(t, declared('before-commit'))
  t.match(await before.hooks.before(about), { failed: 'first', output: 'first said no\n' })
  t.equal(await readFile(join(before.paths.directory, 'ran'), 'utf8'), 'first\n')
  t.match(await before.hooks.after(about), { error: null, output: '' })
  await t.test('after', async (t) => {
    const after = await open(t, declared('after-commit'))
    t.match(await after.hooks.after(about), {
      failed: 'first',
      output: 'first:\nfirst said no\nsecond:\nsecond said no\n',
    })
  })
})

t.test('a site is well when each check says so, and where there is none', async (t) => {
  const { hooks, paths } = await open(t, {
    health: { command: ['test', '-e', 'up'], on: 'health', sites: ['www'] },
    pages: { command: ['echo', 'fine'], on: 'health', sites: ['www'] },
  })
  t.match(await hooks.health(about), { ok: false, failed: 'health', error: { code: 'ENGINE_ERR_HOOK_FAILED' } })
  await writeFile(join(paths.directory, 'up'), '')
  t.match(await hooks.health(about), { ok: true, output: 'pages:\nfine\n', error: null })
  t.match(await hooks.health({ ...about, site: 'img' }), { ok: true, output: '' })
  t.equal(hooks.call('health', 'img', {}), null, 'it can be asked for where nobody declared it')
})

t.test(
  'a node that closes ends what runs, starts nothing more, and knows nothing of how it would have ended',
  async (t) => {
    const { hooks, paths } = await open(t, { slow: { command: ['sh', '-c', 'echo x >> begun; exec sleep 1000'] } })
    const call = callOf(hooks, 'slow')
    const runs = Array.from({ length: HOOKS_AT_ONCE_MAX + 2 }, () => hooks.run(call, about))
    const ended = Promise.allSettled(runs)
    const begun = (): Promise<string> => readFile(join(paths.directory, 'begun'), 'utf8').catch(() => '')
    await until('as many run as may', async () => (await begun()).length === 2 * HOOKS_AT_ONCE_MAX || undefined)
    await hooks.close()
    t.match(
      await ended,
      runs.map(() => ({ status: 'rejected', reason: { code: 'ENGINE_ERR_CLOSING' } })),
    )
    t.equal((await begun()).length, 2 * HOOKS_AT_ONCE_MAX)
    await t.rejects(hooks.run(call, about), { code: 'ENGINE_ERR_CLOSING' })
  },
)
