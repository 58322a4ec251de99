// Goal: a person sees at a glance how far each segment is and who holds things up.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createOutput } from '../../../src/cli/output.js'
import { JobProgress, segmentLines, slowestLines } from '../../../src/cli/progress.js'
import { jobNode, jobView } from './job.js'

const job = jobView({
  state: 'distributing',
  nodes: [
    jobNode({ name: 'a1', segment: 'ams', state: 'staged' }),
    jobNode({ name: 'a2', segment: 'ams', state: 'receiving', bytesHave: 500, rateBps: 8_388_608 }),
    jobNode({ name: 'f1', segment: 'fra', state: 'receiving', bytesHave: 100 }),
    jobNode({ name: 'f2', segment: 'fra', state: 'behind', reason: 'no answer for 12 s' }),
  ],
})

t.test('there is one bar a segment, filled by what its nodes have', (t) => {
  const [ams = '', fra = '', ...more] = segmentLines(job)
  t.same(more, [])
  t.match(ams, /^ {2}ams +█{18}░{6} 1\/2 {2}1\.0 MB\/s$/)
  t.match(fra, /^ {2}fra +█░{23} 0\/2$/)
  t.end()
})

t.test('the slowest nodes are named with what they have and why', (t) => {
  t.same(
    slowestLines(job).map((line) => line.trim().replaceAll(/ +/g, ' ')),
    ['f2 0% behind: no answer for 12 s', 'f1 10% receiving', 'a2 50% receiving'],
  )
  t.end()
})

t.test('what a node gives as its reason reaches no terminal as it is, and stays one line', (t) => {
  const hostile = { ...job, nodes: [jobNode({ state: 'failed', reason: 'a\u001b[2Jb\nc' })] }
  const [line = '', ...more] = slowestLines(hostile)
  t.same(more, [])
  t.notMatch(line, /\p{Cc}/u)
  t.end()
})

t.test('without a terminal there is one line a phase and one every 10 s', (t) => {
  const stderr = new PassThrough()
  const options = { json: false, quiet: false, color: false, progress: true, dumbTerminal: false }
  const progress = new JobProgress(createOutput({ ...options, stdout: new PassThrough(), stderr }))
  for (const nowMs of [0, 100, 9_999, 10_000]) progress.show(job, nowMs)
  progress.show({ ...job, state: 'committing' }, 10_001)
  const lines = String(stderr.read()).trim().split('\n')
  t.equal(lines.length, 3)
  t.match(lines[0], /www@1 → www@2.*sends 1000 B.*distributing.*1\/4 nodes ready/)
  t.end()
})

t.test('who the canaries are is a phase of its own', (t) => {
  const stderr = new PassThrough()
  const options = { json: false, quiet: false, color: false, progress: true, dumbTerminal: false }
  const progress = new JobProgress(createOutput({ ...options, stdout: new PassThrough(), stderr }))
  const canary = { nodeIds: ['a'], names: ['a1'], number: 2, decidedAtMs: 0, untilMs: null, revoked: null }
  const staged = { ...job, state: 'staged' } as const
  progress.show(staged, 0)
  progress.show({ ...staged, canary }, 1)
  progress.show({ ...staged, canary: { ...canary, untilMs: 5000 } }, 2)
  const lines = String(stderr.read()).trim().split('\n')
  t.equal(lines.length, 3)
  t.match(lines[1], /canary a1 to switch/)
  t.match(lines[2], /canary a1 until 1970-01-01T00:00:05/)
  t.end()
})

t.test('a publish of what is live already has no switch to wait for, unless that takes its time', (t) => {
  const stderr = new PassThrough()
  const options = { json: false, quiet: false, color: false, progress: true, dumbTerminal: false }
  const progress = new JobProgress(createOutput({ ...options, stdout: new PassThrough(), stderr }))
  const noop = jobView({ state: 'committing', assignment: null, nodes: [jobNode({ state: 'new' })] })
  for (const nowMs of [0, 9_999]) progress.show(noop, nowMs)
  t.equal(stderr.read(), null)
  progress.show(noop, 10_000)
  t.match(String(stderr.read()), /committing {2}0\/1 node ready/)
  t.end()
})
