// Goal: a hook that a job names runs once however often it is told; a crash in it is told, unless it may be repeated.
// Method: the node's real executions, journal and programs.
import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import type { HooksInput } from '../../../src/config/hooks.js'
import type { Execute } from '../../../src/control/schema/channel.js'
import { Executions } from '../../../src/node/executing.js'
import { HookCalls } from '../../../src/node/hook-calls.js'
import { holdingsOf } from '../../../src/node/state.js'
import { commitOf, NodeParts } from '../../support/node-parts.js'

const order = (number: number, hook: string, args: Record<string, string> = {}): Execute => ({
  ...{ type: 'execute', commandId: `c${number}`, jobId: 'job-1', number, after: null, site: 'www' },
  command: { type: 'run-hook', hook, args },
})

const open = async (t: Test, hooks: HooksInput) => {
  const parts = await NodeParts.open(t.testdir(), hooks)
  t.teardown(() => parts.close())
  const { ledger, reports, turns } = parts
  const executors = { 'run-hook': new HookCalls({ hooks: parts.hooks, ledger }) }
  const executions = new Executions({ ledger, reports, turns, log: silentLogger, executors })
  const at = (name: string): string => join(parts.paths.directory, name)
  return { parts, executions, at }
}

const count = ['sh', '-c', 'echo $ENGINE_RELEASE:$1 >> ran; echo done', 'count', '{word}']
const word = { word: { type: 'string', pattern: '[a-z]+' } } as const

t.test('it runs with its arguments and the live release, and its output is reported', async (t) => {
  const { parts, executions, at } = await open(t, { purge: { command: count, arguments: word } })
  await parts.hold(4, { live: true })
  await executions.execute(order(1, 'purge', { word: 'index' }))
  await executions.execute(order(1, 'purge', { word: 'index' }))
  t.equal(await readFile(at('ran'), 'utf8'), '4:index\n', 'told twice, it ran once')
  t.match(parts.reportsOf('completion')[0], { command: 'run-hook', number: 1, output: 'done\n', error: null })
})

t.test('what is unknown or badly given is answered, and nothing runs', async (t) => {
  const { parts, executions, at } = await open(t, { purge: { command: count, arguments: word } })
  await executions.execute(order(1, 'reboot'))
  await executions.execute(order(2, 'purge', { word: '-rf' }))
  await executions.execute(order(3, 'purge', { path: 'x' }))
  const codes = parts.reportsOf('failure').map(({ error }) => error?.code)
  t.strictSame(codes, ['ENGINE_ERR_HOOK_UNKNOWN', 'ENGINE_ERR_HOOK_ARGUMENTS', 'ENGINE_ERR_HOOK_ARGUMENTS'])
  await t.rejects(access(at('ran')))
})

t.test('one that fails is a failure with what it wrote', async (t) => {
  const { parts, executions } = await open(t, { bad: { command: ['sh', '-c', 'echo why; exit 4'] } })
  await executions.execute(order(1, 'bad'))
  t.match(parts.reportsOf('failure'), [
    { output: 'why\n', error: { code: 'ENGINE_ERR_HOOK_FAILED', message: /exit code 4/ } },
  ])
})

t.test('begun before a crash, it is told as interrupted, and run again only when it may be repeated', async (t) => {
  const { parts, executions, at } = await open(t, {
    migrate: { command: ['touch', 'migrated'] },
    reload: { command: ['touch', 'reloaded'], repeatable: true },
    health: { command: ['touch', 'asked'], on: 'health' },
  })
  for (const number of [1, 2, 3]) await parts.ledger.record({ type: 'executing', jobId: 'job-1', number })
  await executions.execute(order(1, 'migrate'))
  await executions.execute(order(2, 'reload'))
  await executions.execute(order(3, 'health'))
  t.match(parts.reportsOf('failure'), [{ number: 1, error: { code: 'ENGINE_ERR_COMMAND_INTERRUPTED' } }])
  await t.rejects(access(at('migrated')))
  await access(at('reloaded'))
  await access(at('asked'))
})

t.test('health is asked by its name, also where nobody declared a check', async (t) => {
  const { parts, executions } = await open(t, { pages: { command: ['false'], on: 'health', sites: ['www'] } })
  await executions.execute(order(1, 'health'))
  await executions.execute({ ...order(2, 'health'), site: 'img' })
  t.match(parts.reportsOf('failure'), [
    { number: 1, error: { code: 'ENGINE_ERR_HOOK_FAILED', message: /^hook pages/ } },
  ])
  t.match(parts.reportsOf('completion'), [{ number: 2, output: null }])
})

t.test('a hook that failed after the switch and ends well now is no trouble any more', async (t) => {
  const reload: HooksInput[string] = { command: ['sh', '-c', 'test ! -e break'], on: 'after-commit' }
  const { parts, executions, at } = await open(t, { reload, other: { command: ['true'] } })
  await writeFile(at('break'), '')
  await parts.commits.commit(commitOf(1, await parts.hold(1)))
  const isTrouble = (): boolean => 'trouble' in (holdingsOf(parts.ledger.state)[0] ?? {})
  t.ok(isTrouble())
  await executions.execute(order(1, 'other'))
  await executions.execute(order(2, 'reload'))
  t.ok(isTrouble(), 'another hook mends nothing, nor one that fails again')
  await rm(at('break'))
  await executions.execute(order(3, 'reload'))
  t.notOk(isTrouble())
})
