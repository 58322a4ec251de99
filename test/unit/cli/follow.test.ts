// Goal: following a job ends with the exit code and the one result that stand for how it ended.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { exitCodeOf, followJob, type Interrupts } from '../../../src/cli/follow.js'
import { createOutput } from '../../../src/cli/output.js'
import type { Job } from '../../../src/control/door.js'
import type { JobEvent } from '../../../src/model/event.js'
import type { JobView } from '../../../src/model/job.js'
import { jobNode, jobView } from './job.js'

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
  completed: () => Promise.reject(new Error('not asked for here')),
})

const follow = async (views: readonly JobView[], interrupts = quietInterrupts, json = true, quiet = false) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = createOutput({
    json,
    quiet,
    color: false,
    progress: false,
    dumbTerminal: false,
    stdout,
    stderr,
  })
  const aborted: string[] = []
  const code = await followJob(jobOf(views), {
    ...{ output, clock: systemClock, interrupts, exitCodeOnNoop: false, stageOnly: false },
    abort: async (id) => {
      aborted.push(id)
      return jobView({ state: 'aborted' })
    },
  })
  return { code, aborted, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

t.test('each end has its exit code', async (t) => {
  const error = { code: 'ENGINE_ERR_QUORUM', message: '1 of 3', hint: '' }
  t.equal(exitCodeOf(jobView(), false, false), 0)
  t.equal(exitCodeOf(jobView({ assignment: null }), false, false), 0)
  t.equal(exitCodeOf(jobView({ assignment: null }), true, false), 9)
  t.equal(exitCodeOf(jobView({ state: 'staged' }), false, false), 0)
  t.equal(exitCodeOf(jobView({ state: 'partial' }), false, false), 8)
  t.equal(exitCodeOf(jobView({ state: 'failed', error }), false, false), 7)
  t.equal(exitCodeOf(jobView({ state: 'failed', error: { ...error, code: 'NO_SUCH' } }), false, false), 1)
  t.equal(exitCodeOf(jobView({ state: 'aborted' }), false, false), 1)
  t.equal(exitCodeOf(jobView({ state: 'aborted' }), false, true), 130)
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
  const { code, out } = await follow([jobView({ state: 'partial', nodes })], quietInterrupts, false)
  t.equal(code, 8)
  t.match(out, /www@2 live on 1\/2 nodes {2}1000 B a node {2}in 1\.5 s/)
  t.match(out, /n2 is behind: no answer for 12 s/)
  t.match(out, /engine rollback --site www --group edge/)
})

t.test('a failure is told with its code and the way out', async (t) => {
  const error = { code: 'ENGINE_ERR_MASS_DELETE', message: 'deletes 5 of 10', hint: 'raise the guard' }
  for (const quiet of [false, true]) {
    const { code, err, out } = await follow([jobView({ state: 'failed', error })], quietInterrupts, true, quiet)
    t.equal(code, 10)
    t.match(err, /ENGINE_ERR_MASS_DELETE: deletes 5 of 10\n {2}raise the guard/)
    t.equal(out.trim().split('\n').length, 1, 'one result')
  }
})

t.test('the first interrupt asks for an abort, the second lets the job go on', async (t) => {
  const first: Interrupts = {
    listen: (ask) => {
      ask()
      return () => undefined
    },
  }
  const once = await follow([jobView({ state: 'aborted' })], first)
  t.same(once.aborted, ['J1'])
  t.equal(once.code, 130)
  const both: Interrupts = {
    listen: (ask, leave) => {
      ask()
      leave()
      return () => undefined
    },
  }
  const twice = await follow([jobView({ state: 'distributing' })], both)
  t.equal(twice.code, 130)
  t.match(twice.err, /goes on/)
})
