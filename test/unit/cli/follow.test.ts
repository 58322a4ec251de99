// Goal: following a job ends with the exit code and the one result that stand for how it ended.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { exitCodeOf, followJob, type Interrupts } from '../../../src/cli/follow.js'
import { createOutput } from '../../../src/cli/output.js'
import { interrupts } from '../../../src/cli/signals.js'
import type { JobsApi } from '../../../src/control/door/api.js'
import type { Job } from '../../../src/control/door/jobs.js'
import type { JobEvent } from '../../../src/model/event.js'
import type { JobView } from '../../../src/model/job.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'
import { jobNode, jobView } from './job.js'

const listeners = new Map((['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => [name, process.listenerCount(name)]))
const quietInterrupts: Interrupts = { listen: () => () => undefined }

const jobOf = (views: readonly JobView[]): Job => ({
  id: 'J1',
  progress: async function* ({ signal } = {}) {
    for (const [id, job] of views.entries()) {
      if (signal?.aborted) return
      const type = id === views.length - 1 ? ('result' as const) : ('phase' as const)
      yield { type, id, atMs: 0, job } satisfies JobEvent
    }
  },
  add: () => Promise.reject(new Error('not asked for here')),
  end: () => Promise.reject(new Error('not asked for here')),
  completed: () => Promise.reject(new Error('not asked for here')),
})

interface Wanted {
  readonly interrupts?: Interrupts
  readonly json?: boolean
  readonly quiet?: boolean
  readonly commitAskedAtMs?: number
  readonly clock?: Clock
  readonly jobs?: JobsApi['jobs']
  readonly commands?: JobsApi['commands']
  readonly onlyWatches?: boolean
  readonly commandNumber?: number
  readonly signal?: AbortSignal
}

const start = (job: Job, wanted: Wanted) => {
  const {
    interrupts = quietInterrupts,
    json = true,
    quiet = false,
    jobs = async () => [],
    commands = async () => [],
    ...more
  } = wanted
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const options = { json, quiet, color: false, progress: false, dumbTerminal: false, stdout, stderr }
  const output = createOutput(options)
  const aborted: string[] = []
  const waits: (AbortSignal | undefined)[] = []
  const abort: JobsApi['abort'] = async (id, { signal } = {}) => {
    aborted.push(id)
    waits.push(signal)
    return jobView({ state: 'aborted' })
  }
  const ended = followJob(job, {
    ...{
      output,
      clock: systemClock,
      interrupts,
      exitCodeOnNoop: false,
      stageOnly: false,
      api: { abort, jobs, commands },
    },
    ...more,
  })
  return { ended, aborted, waits, stdout, stderr }
}

const follow = async (views: readonly JobView[], wanted: Wanted = {}) => {
  const { ended, aborted, waits, stdout, stderr } = start(jobOf(views), wanted)
  const code = await ended
  return { code, aborted, waits, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

t.test('each end has its exit code', async (t) => {
  const error = { code: 'ENGINE_ERR_QUORUM', message: '1 of 3', hint: '' }
  t.equal(exitCodeOf(jobView(), false, null), 0)
  t.equal(exitCodeOf(jobView({ assignment: null }), false, null), 0)
  t.equal(exitCodeOf(jobView({ assignment: null }), true, null), 9)
  t.equal(exitCodeOf(jobView({ state: 'staged' }), false, null), 0)
  t.equal(exitCodeOf(jobView({ state: 'partial' }), false, null), 8)
  t.equal(exitCodeOf(jobView({ state: 'failed', error }), false, null), 7)
  t.equal(exitCodeOf(jobView({ state: 'failed', error: { ...error, code: 'NO_SUCH' } }), false, null), 1)
  t.equal(exitCodeOf(jobView({ state: 'aborted' }), false, null), 1)
  t.equal(exitCodeOf(jobView({ state: 'aborted' }), false, 143), 143)
})

t.test('with --json there are events and exactly one last result', async (t) => {
  const { code, out } = await follow([jobView({ state: 'distributing' }), jobView()])
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; status?: string })
  t.equal(code, 0)
  t.same(
    lines.map((line) => line.type),
    ['phase', 'result'],
  )
  t.equal(lines[1]?.status, 'success')
})

t.test('a person is told the release, how many serve it and how to go back', async (t) => {
  const nodes = [jobNode(), jobNode({ name: 'n2', state: 'behind', reason: 'no answer for 12 s' })]
  const { code, out, err } = await follow([jobView({ state: 'partial', nodes })], { json: false })
  t.equal(code, 8)
  t.match(out, /⚠ www@2 live on 1\/2 nodes; 1 node will follow {2}1000 B a node {2}in 1\.5 s/)
  t.match(out, /n2 is behind: no answer for 12 s/)
  t.match(err, /engine rollback --site www --group edge/)
  t.notMatch(out, /rollback/, 'a hint is no data')
})

t.test('quiet leaves the data and takes the hints', async (t) => {
  const nodes = [jobNode({ state: 'staged' })]
  for (const view of [jobView(), jobView({ state: 'staged', nodes })]) {
    const { out, err } = await follow([view], { json: false, quiet: true })
    t.match(out, /^✔ www@2 (live on 1\/1 node |is staged on 1 node\n)/)
    t.notMatch(out, /engine/)
    t.equal(err, '')
  }
})

t.test('a failure is told with its code and the way out', async (t) => {
  const error = { code: 'ENGINE_ERR_MASS_DELETE', message: 'deletes 5 of 10', hint: 'raise the guard' }
  for (const quiet of [false, true]) {
    const { code, err, out } = await follow([jobView({ state: 'failed', error })], { quiet })
    t.equal(code, 10)
    t.match(err, /ENGINE_ERR_MASS_DELETE: deletes 5 of 10\n {2}raise the guard/)
    t.equal(out.trim().split('\n').length, 1, 'one result')
  }
})

t.test('the first interrupt asks for an abort, the second lets the job go on', async (t) => {
  const first: Interrupts = {
    listen: (ask) => {
      ask(143)
      return () => undefined
    },
  }
  const once = await follow([jobView({ state: 'aborted' })], { interrupts: first })
  t.same(once.aborted, ['J1'])
  t.equal(once.code, 143)
  const both: Interrupts = {
    listen: (ask, leave) => {
      ask(143)
      leave(143)
      return () => undefined
    },
  }
  const twice = await follow([jobView({ state: 'distributing' })], { interrupts: both })
  t.equal(twice.code, 143)
  t.match(twice.err, /goes on/)
  t.same(
    twice.waits.map((signal) => signal?.aborted),
    [true],
    'nor is the abort waited for any longer',
  )
})

t.test('a queued job says which staged one it waits for, once, also when that becomes staged later', async (t) => {
  const clock = new ManualClock()
  let asked = 0
  const staged = [[], [jobView({ id: 'J0', state: 'staged' })], [jobView({ id: 'J0', state: 'staged' })]]
  let goOn = (): void => {}
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const job: Job = {
    ...jobOf([]),
    progress: async function* () {
      yield { type: 'phase', id: 1, atMs: 0, job: jobView({ state: 'queued' }) }
      await gate
      yield { type: 'phase', id: 2, atMs: 0, job: jobView({ state: 'packing' }) }
      yield { type: 'result', id: 3, atMs: 0, job: jobView() }
    },
  }
  const jobs: JobsApi['jobs'] = async ({ state } = {}) => (state === 'staged' ? (staged[asked++] ?? []) : [])
  const { ended, stderr } = start(job, { clock, json: false, jobs })
  for (const looks of [1, 2, 3]) {
    await until('it has looked', () => asked === looks && clock.waiting === 1)
    clock.advance(2_000)
  }
  goOn()
  t.equal(await ended, 0)
  t.equal(clock.waiting, 0, 'nobody looks any more')
  const said = String(stderr.read()).split('\n')
  t.equal(said.filter((line) => line === 'waits for staged job J0: commit or abort it').length, 1)
})

t.test('a commit is followed from the switch on, and its time is its own', async (t) => {
  const clock = new ManualClock()
  clock.advance(1_000_000)
  const asked = { json: false, clock, commitAskedAtMs: clock.monotonicMs() - 250 }
  const views = [jobView({ state: 'packing' }), jobView({ state: 'staged' }), jobView({ state: 'committing' })]
  const { out, err } = await follow([...views, jobView({ finishedAtMs: 592_000 })], asked)
  t.notMatch(err, /packing|staged/)
  t.match(err, /committing/)
  t.match(out, /in 250 ms/)
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  t.test(`${signal} asks for the abort, and again lets go`, async (t) => {
    const told: unknown[] = []
    const stop = interrupts.listen(
      (exitCode) => told.push(['first', exitCode]),
      (exitCode) => told.push(['second', exitCode]),
    )
    process.emit(signal, signal)
    process.emit(signal, signal)
    stop()
    t.same(told, [
      ['first', code],
      ['second', code],
    ])
    t.equal(process.listenerCount(signal), listeners.get(signal), 'nothing listens afterwards')
  })
}

t.test('who only watches asks for no abort', async (t) => {
  const interrupts: Interrupts = {
    listen: (first) => {
      setImmediate(() => first(130))
      return () => undefined
    },
  }
  const endless: Job = {
    ...jobOf([]),
    progress: async function* ({ signal } = {}) {
      yield { type: 'phase', id: 1, atMs: 0, job: jobView({ state: 'open', commands: [] }) }
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
    },
  }
  const { ended, aborted, stderr } = start(endless, { interrupts, json: false, onlyWatches: true })
  t.equal(await ended, 130)
  t.same(aborted, [])
  t.match(String(stderr.read()), /goes on; see it with: engine job watch J1/)
})

t.test('a command that is waited for ends following, with its own outcome', async (t) => {
  const [first] = jobView().commands
  if (first === undefined) throw new Error('a job has commands')
  const outcomes = [
    ['completed', null, 'completed', 0],
    ['completed', null, 'new', 8],
    ['failed', { code: 'ENGINE_ERR_COMMAND_FAILED', message: 'exit 1', hint: 'x' }, 'failed', 8],
  ] as const
  for (const [state, error, ofNode, expected] of outcomes) {
    const command = { ...first, state, error }
    const node = { nodeId: '0'.repeat(32), name: 'n1', state: ofNode, reason: null, output: null }
    const views = [jobView({ state: 'open', commands: [command] }), jobView()]
    const commands = async () => [{ ...command, nodes: [node] }]
    const { code, out } = await follow(views, { commandNumber: first.number, commands })
    t.equal(code, expected, state)
    const last = JSON.parse(out.trim().split('\n').at(-1) ?? '') as object
    t.match(last, { type: 'result', command: { state } })
  }
})

t.test('following that its caller ends says nothing and asks for nothing', async (t) => {
  const stop = new AbortController()
  const endless: Job = {
    ...jobOf([]),
    progress: async function* ({ signal } = {}) {
      yield { type: 'phase', id: 1, atMs: 0, job: jobView({ state: 'open', commands: [] }) }
      stop.abort()
      await new Promise<void>((resolve) =>
        signal?.aborted ? resolve() : signal?.addEventListener('abort', () => resolve()),
      )
    },
  }
  const { ended, aborted, stdout, stderr } = start(endless, { json: true, onlyWatches: true, signal: stop.signal })
  t.equal(await ended, 1)
  t.same(aborted, [])
  t.equal(stderr.read(), null)
  t.notMatch(String(stdout.read() ?? ''), /"type":"result"/)
})
