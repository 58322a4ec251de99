// Goal: the client may leave once a job is to end; who has not done what it asks is asked, waited for and mended, and
// all of it is on record. Method: real processes; a node whose hook before the switch takes as long as a file is there.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { NodeStateView } from '../../src/model/node-state.js'
import { Fleet } from '../support/fleet.js'
import { SlowHook } from '../support/slow-hook.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-ending-`)
const staging = `${directory}/staging`
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  webhooks: {allowPrivate: true}\n')
const hook = await SlowHook.of('n1', directory)
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await hook.hurry()
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const publish = async (text: string, ...more: readonly string[]): Promise<string> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
  const { code, stdout, stderr } = await fleet.engine(
    ...['publish', staging, '--site', 'www', '--group', 'edge', '--detach', ...more],
  )
  if (code !== 0) throw new Error(stderr)
  return stdout.trim()
}

/** What a node says of the commands of a job, in the order of their numbers. */
const saidBy = async (node: string, jobId: string): Promise<readonly string[]> => {
  const { stdout } = await fleet.engine('status', '--query', node, '--json')
  const { commands = [] } = JSON.parse(stdout) as Partial<NodeStateView>
  return commands.filter((each) => each.jobId === jobId).map(({ state }) => state)
}

t.test('a node says itself, when it is asked, what it is at; one that is away is told of as such', async (t) => {
  await hook.slow()
  const id = await publish('one\n')
  await until('its hook runs', async () => (await saidBy('n1', id))[1] === 'in-progress')
  t.same(await saidBy('n1', id), ['completed', 'in-progress', 'new'])
  t.same(await saidBy('n2', id), ['completed', 'completed', 'new'])
  const { code, stdout } = await fleet.engine('status', '--query', 'n1')
  t.equal(code, 0)
  t.match(
    stdout,
    /JOB +SITE +COMMAND +STATE +HAS +VIA\n.* www +1 publish +completed +coordinator\n.* www +2 commit +in-progress/,
  )
  await hook.hurry()
  await until('it is over', async () => (await saidBy('n1', id)).length === 0)
  await fleet.stop('n2', 'SIGKILL')
  const away = await until('it is missed', async () => {
    const answer = await fleet.engine('status', '--query', 'n2')
    return answer.code !== 0 && answer
  })
  t.equal(away.code, 7)
  t.match(away.stderr, /ENGINE_ERR_NODE_LOST|node n2 does not answer/)
  fleet.startNode('n2')
  await fleet.online(2)
})

t.test('the client goes; a slow node is asked and waited for, and the end is told to the callback', async (t) => {
  const told: string[] = []
  const server = createServer((request, response) => {
    void request.toArray().then((parts) => {
      told.push(Buffer.concat(parts as Buffer[]).toString('utf8'))
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  await hook.slow()
  const url = `http://127.0.0.1:${port}/hidden-path`
  const id = await publish('two\n', '--period', '1s', '--callback', url)
  const explain = async (): Promise<string> => (await fleet.engine('job', 'explain', id)).stdout
  await until('it is waited for again', async () => ((await explain()).match(/n1 +extended/g) ?? []).length >= 2)
  await hook.hurry()
  const body = await until('the end is told', () => told[0])
  t.match(JSON.parse(body), { type: 'engine.job.committed', subject: `jobs/${id}` })
  t.match(
    await explain(),
    /ended[^]*n1 +queried[^]*n1 +answered +command 2 is in-progress there[^]*closed +all 2 nodes/,
  )
  t.notMatch(await explain(), /left|repaired/)
  const { stdout: audit } = await fleet.engine('audit', 'ls', '--json')
  t.notMatch(audit, /hidden-path/)
  t.match(audit, new RegExp(`"callback":"http://127.0.0.1:${port}"`))
  t.notMatch((await fleet.engine('jobs', '--json')).stdout, /hidden-path/)
})
