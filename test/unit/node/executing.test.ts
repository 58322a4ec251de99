// Commands that are no step towards a release: each once whatever is delivered twice, in the order of their numbers,
// answered after a crash.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import type { Execute } from '../../../src/control/schema/channel.js'
import { Executions, type Executor, type Executors } from '../../../src/node/executing.js'
import { Turns } from '../../../src/node/turns.js'
import { NodeParts } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

const order = (number: number, options: Partial<Execute> = {}): Execute => ({
  type: 'execute',
  commandId: `c${number}`,
  jobId: 'j',
  number,
  after: null,
  site: 'www',
  command: { type: 'run-hook', hook: 'reload', args: {} },
  ...options,
})

type Run = Executor<'run-hook'>['run']

const open = async (t: { testdir(): string; teardown(run: () => unknown): void }, run: Run, mayRepeat = false) => {
  const parts = await NodeParts.open(t.testdir())
  t.teardown(() => parts.close())
  const ran: number[] = []
  const hooks: Executor<'run-hook'> = {
    run: (execution, signal) => {
      ran.push(execution.number)
      return run(execution, signal)
    },
    mayRepeat: () => mayRepeat,
  }
  const { ledger, reports } = parts
  const make = (executors: Executors = { 'run-hook': hooks }): Executions =>
    new Executions({ ledger, reports, turns: new Turns(), log: silentLogger, executors })
  return { parts, ran, make, executions: make() }
}

const well: Run = async () => ({ output: 'reloaded\n', error: null })

t.test('a command is received, carried out, and reported with what it left', async (t) => {
  const { parts, ran, executions } = await open(t, well)
  await executions.execute(order(3))
  t.same(ran, [3])
  const about = { jobId: 'j', number: 3, command: 'run-hook', site: 'www', release: null, treeHash: null }
  t.match(parts.reportsOf('receipt'), [{ ...about, output: null }])
  t.match(parts.reportsOf('completion'), [{ ...about, commandId: 'c3', output: 'reloaded\n' }])
})

t.test('delivered twice, at once or later, it is carried out once and answered both times', async (t) => {
  const { parts, ran, executions, make } = await open(t, well)
  await Promise.all([executions.execute(order(1)), executions.execute(order(1))])
  await executions.execute(order(1, { commandId: 'again' }))
  await make().execute(order(1, { commandId: 'after a restart' }))
  t.same(ran, [1])
  const told = parts.reportsOf('completion').map(({ commandId }) => commandId)
  t.same(told, ['c1', 'again', 'after a restart'])
})

t.test('one that came before its turn waits for the one before it', async (t) => {
  const { ran, executions } = await open(t, well)
  await executions.execute(order(3, { after: 2 }))
  await executions.execute(order(2, { after: 1 }))
  t.same(ran, [], 'the first has not come')
  await executions.execute(order(1))
  t.same(ran, [1, 2, 3])
})

t.test('a failure is an answer with its error and its output, and lets the next one run', async (t) => {
  const failing: Run = async ({ number }) => ({
    output: `exit ${number}`,
    error: number === 1 ? new EngineError('ENGINE_ERR_INTERNAL', { why: 'exit 1' }) : null,
  })
  const { parts, ran, executions } = await open(t, failing)
  await executions.execute(order(1))
  await executions.execute(order(2, { after: 1 }))
  await executions.execute(order(1, { commandId: 'again' }))
  t.same(ran, [1, 2])
  const failed = { number: 1, error: { code: 'ENGINE_ERR_INTERNAL' } }
  t.match(parts.reportsOf('failure'), [
    { ...failed, output: 'exit 1' },
    { ...failed, commandId: 'again' },
  ])
})

t.test('what an executor throws is its failure, and a type that nobody carries out is refused', async (t) => {
  const { parts, executions } = await open(t, () => Promise.reject(new Error('no such program')))
  await executions.execute(order(1))
  await executions.execute(order(2, { command: { type: 'verify', release: null, rateBps: null, repair: false } }))
  const codes = parts.reportsOf('failure').map(({ error }) => error?.code)
  t.same(codes, ['ENGINE_ERR_INTERNAL', 'ENGINE_ERR_COMMAND_UNKNOWN'])
})

t.test('one that a crash cut off is refused after the restart, or begun again where it may be', async (t) => {
  const never: Run = () => new Promise(() => {})
  for (const mayRepeat of [false, true]) {
    const { parts, executions, ran } = await open(t, never, mayRepeat)
    void executions.execute(order(1))
    await until('it runs', () => ran.length === 1)
    // As after kill -9: the journal says that it began, and nothing else.
    const { ledger, reports } = parts
    const hooks: Executor<'run-hook'> = { run: well, mayRepeat: () => mayRepeat }
    const next = new Executions({
      ...{ ledger, reports, log: silentLogger, executors: { 'run-hook': hooks } },
      turns: new Turns(),
    })
    await next.execute(order(1))
    if (mayRepeat) t.match(parts.reportsOf('completion'), [{ number: 1 }])
    else t.match(parts.reportsOf('failure'), [{ error: { code: 'ENGINE_ERR_COMMAND_INTERRUPTED' } }])
  }
})

t.test('closing stops what is under way without an answer: the next start gives it', async (t) => {
  const untilStopped: Run = (_, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
  const { parts, executions, ran } = await open(t, untilStopped)
  const running = executions.execute(order(1))
  await until('it runs', () => ran.length === 1)
  executions.close()
  await running
  t.same([parts.reportsOf('completion'), parts.reportsOf('failure')], [[], []])
  t.equal(parts.ledger.state.executed.get('j:1')?.phase, 'executing')
})
