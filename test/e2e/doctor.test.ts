// Goal: `engine doctor` tries everything that the engine needs of a machine, and says how each stands.
// Method: the built `engine` on this machine; what a machine may lack is only asked to be told.
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import t from 'tap'
import { lastLine } from '../support/fleet.js'
import { runEngine } from '../support/process.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-doctor-`)
t.teardown(() => rm(directory, { recursive: true, force: true }))

const perInterface = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
  (all ?? []).some(({ family }) => family === 'IPv4')
    ? ['multicast', 'GSO', 'GRO'].map((what) => `${what} on ${name}`)
    : [],
)
const checks = ['Node.js', 'data directory', 'free space', 'openat2', 'shared blocks', 'port', 'receive buffers']
const flags = ['doctor', '--data', directory, '--listen', '127.0.0.1:0']

interface Finding {
  readonly check: string
  readonly verdict: string
  readonly found: string
  readonly hint: string | null
}

t.test('every check has a line, and what is not well a way out', async (t) => {
  const outcome = await runEngine(flags)
  t.equal(outcome.code, 0, outcome.stdout + outcome.stderr)
  for (const check of [...checks, ...perInterface]) {
    t.ok(
      outcome.stdout.split('\n').some((line) => /^(ok|warn) /.test(line) && line.slice(6).startsWith(check)),
      check,
    )
  }
})

t.test('--json is one result with the same findings', async (t) => {
  const outcome = await runEngine([...flags, '--json'])
  const { status, items } = lastLine(outcome) as { status: string; items: readonly Finding[] }
  t.equal(status, 'success')
  const found = new Set(items.map(({ check }) => check))
  t.same(
    [...checks, ...perInterface].filter((check) => !found.has(check)),
    [],
  )
  for (const { check, verdict, hint } of items) t.equal(hint === null, verdict === 'ok', check)
})

t.test('a port that is taken is a warning, a directory that cannot be written a failure', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const { port } = server.address() as { port: number }
  const outcome = await runEngine(['doctor', '--data', '/proc/1', '--listen', `127.0.0.1:${port}`, '--json'])
  t.equal(outcome.code, 1)
  const { status, items } = lastLine(outcome) as { status: string; items: readonly Finding[] }
  t.equal(status, 'failed')
  const verdictOf = (check: string) => items.find((item) => item.check === check)?.verdict
  t.equal(verdictOf('port'), 'warn')
  t.equal(verdictOf('data directory'), 'fail')
})

t.test('the way out of a bad address or directory is another one', async (t) => {
  const outcome = await runEngine(['doctor', '--data', `${directory}/none`, '--listen', '192.0.2.1:7400', '--json'])
  const { items } = lastLine(outcome) as { items: readonly Finding[] }
  const hintOf = (check: string) => items.find((item) => item.check === check)?.hint
  t.match(hintOf('port'), /--listen/)
  t.notMatch(hintOf('port'), /stop what listens/)
  t.match(hintOf('data directory'), /--data/)
  t.notMatch(hintOf('data directory'), /engine doctor/)
})
