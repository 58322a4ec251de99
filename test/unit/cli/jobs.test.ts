// Goal: the list of jobs says of each what holds it up.
// Method: the command over answers of a coordinator.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { jobs } from '../../../src/cli/commands/jobs.js'
import { createOutput } from '../../../src/cli/output.js'
import { interrupts } from '../../../src/cli/signals.js'
import type { JobsApi } from '../../../src/control/door/api.js'
import type { JobView } from '../../../src/model/job.js'
import { jobView } from './job.js'

const listed = async (all: readonly JobView[], flags = {}): Promise<string> => {
  const stdout = new PassThrough()
  const streams = { stdout, stderr: new PassThrough() }
  const output = createOutput({
    ...{ json: false, quiet: false, color: false, progress: false, dumbTerminal: false },
    ...streams,
  })
  const ask: JobsApi['jobs'] = async (filter = {}) => all.filter((job) => job.state === (filter.state ?? job.state))
  const connect = async () => ({ jobs: ask }) as JobsApi
  await jobs({ output, clock: systemClock, interrupts, connect }, flags)
  return String(stdout.read())
}

t.test('a queued job waits for the staged one of its site, and only of its own', async (t) => {
  const all = [
    jobView({ id: 'J3', state: 'queued', site: 'docs' }),
    jobView({ id: 'J2', state: 'queued' }),
    jobView({ id: 'J1', state: 'staged' }),
  ]
  for (const flags of [{}, { state: 'queued' }]) {
    const lines = (await listed(all, flags)).split('\n')
    t.match(
      lines.find((line) => line.startsWith('J2')),
      /waits for staged job J1: commit or abort it$/,
    )
    t.notMatch(
      lines.find((line) => line.startsWith('J3')),
      /waits/,
    )
  }
})
