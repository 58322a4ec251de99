// Goal: a process that cannot or must not start says why, and touches nothing.
// Method: the built `engine serve` with each mistake in turn.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import { runEngine, startEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-serve-`)
t.teardown(() => rm(directory, { recursive: true, force: true }))
const coordinator = ['serve', '--role', 'coordinator', '--relay', '127.0.0.1:0']

t.test('a second coordinator on one data directory is refused, the first goes on', async (t) => {
  const data = `${directory}/shared`
  const first = startEngine([...coordinator, '--listen', '127.0.0.1:0', '--data', data])
  t.teardown(() => first.stop())
  await until(
    'the first listens',
    () => /http:\/\/127\.0\.0\.1:\d+/.exec(first.output)?.[0],
    () => first.output,
  )
  const second = await runEngine([...coordinator, '--listen', '127.0.0.1:0', '--data', data])
  t.equal(second.code, 1)
  t.match(second.stderr, new RegExp(`ENGINE_ERR_DATA_DIR_IN_USE.*${first.pid}`))
  t.ok(first.running)
})

t.test('a port in use is named', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const outcome = await runEngine([...coordinator, '--listen', `127.0.0.1:${port}`, '--data', `${directory}/port`])
  t.equal(outcome.code, 2)
  t.match(outcome.stderr, new RegExp(`ENGINE_ERR_PORT_IN_USE.*${port}`))
})

t.test('a data directory that cannot be one is named', async (t) => {
  const file = `${directory}/file`
  await writeFile(file, 'mine')
  const outcome = await runEngine([...coordinator, '--listen', '127.0.0.1:0', '--data', `${file}/data`])
  t.equal(outcome.code, 2)
  t.match(outcome.stderr, /ENGINE_ERR_DATA_DIR_UNWRITABLE/)
})

t.test('beyond loopback it does not listen without --insecure', async (t) => {
  const data = `${directory}/open`
  const outcome = await runEngine([...coordinator, '--listen', '0.0.0.0:0', '--data', data])
  t.equal(outcome.code, 2)
  t.match(outcome.stderr, /ENGINE_ERR_INSECURE_LISTEN.*0\.0\.0\.0/)
  await t.rejects(readdir(data), 'nothing was made')
})

t.test('a misspelt field of the configuration is named with its line and the field that was meant', async (t) => {
  const config = `${directory}/engine.yaml`
  await mkdir(`${directory}/conf`, { recursive: true })
  await writeFile(config, 'role: coordinator\ncoordinator:\n  lisen: 127.0.0.1:0\n')
  const outcome = await runEngine(['serve', '--config', config])
  t.equal(outcome.code, 2)
  t.match(outcome.stderr, /ENGINE_ERR_CONFIG_INVALID/)
  t.match(outcome.stderr, /lisen/)
  t.match(outcome.stderr, /3/)
  t.match(outcome.stderr, /listen/)
})
