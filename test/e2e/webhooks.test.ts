// Goal: a callback survives kill -9 of the coordinator, and what the guide shows works as printed.
// Method: real processes on loopback; a receiver that is away, and the one that is cut out of the guide.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { CloudEvent } from '../../src/model/fleet-event.js'
import type { DeliveryView, WebhookWithSecret } from '../../src/model/webhook.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { stablePort } from '../support/port.js'
import { start, startEngine } from '../support/process.js'
import { Receiver } from '../support/receiver.js'
import { verifies } from '../support/standard-webhooks.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-webhooks-`)
const staging = `${directory}/staging`
await mkdir(staging)
await writeFile(`${staging}/index.html`, 'one')
const fleet = await Fleet.start(directory, 1)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const add = async (url: string, ...more: readonly string[]): Promise<WebhookWithSecret> => {
  const outcome = await fleet.engine('webhook', 'add', url, '--allow-private', '--json', ...more)
  t.equal(outcome.code, 0, outcome.stderr)
  return JSON.parse(outcome.stdout) as WebhookWithSecret
}

const deliveriesOf = async (id: string): Promise<readonly DeliveryView[]> => {
  const { stdout } = await fleet.engine('webhook', 'deliveries', id, '--json')
  return (JSON.parse(stdout) as { items: readonly DeliveryView[] }).items
}

t.test('what ended before kill -9 is told after the restart, under the id that it had', async (t) => {
  const port = await stablePort()
  const first = await Receiver.open(port)
  first.answer = (response) => response.writeHead(500).end()
  const { webhook, secret } = await add(first.url, '--types', 'job.committed')
  const reader = startEngine(['events', '--types', 'job.committed', '--since', '0', '--json', '--url', fleet.url])
  t.teardown(() => reader.stop('SIGKILL'))
  t.equal((await fleet.publish(staging)).code, 0, fleet.story())
  const vain = await first.got('the first attempt', () => true)
  await until('it is on record', async () => (await deliveriesOf(webhook.id))[0]?.attempts === 1)
  await first.close()
  await fleet.stop('coordinator', 'SIGKILL')
  const second = await Receiver.open(port)
  t.teardown(() => second.close())
  fleet.startCoordinator()
  const told = await second.got('the callback', () => true)
  t.equal(told.headers['webhook-id'], vain.headers['webhook-id'])
  t.equal(told.body, vain.body)
  t.ok(verifies(secret, told.headers, told.body))
  t.match(JSON.parse(told.body), { type: 'engine.job.committed', data: { site: 'www', release: 1 } })
  await until('it is delivered', async () => (await deliveriesOf(webhook.id))[0]?.state === 'delivered')
  await fleet.online(1)

  await writeFile(`${staging}/index.html`, 'two')
  t.equal((await fleet.publish(staging)).code, 0, fleet.story())
  const lines = await until('the reader has both', () => {
    const whole = reader.output.trim().split('\n')
    return whole.length === 2 && whole.map((line) => JSON.parse(line) as CloudEvent)
  })
  t.match(lines, [JSON.parse(told.body) as CloudEvent, { type: 'engine.job.committed', data: { release: 2 } }])
  const ended = await reader.stop('SIGINT')
  t.equal(ended.code, 130)
})

t.test('a job that ends at the very moment of kill -9 is told, whatever was written by then', async (t) => {
  const receiver = await Receiver.open()
  t.teardown(() => receiver.close())
  await add(receiver.url, '--types', 'job.*')
  await writeFile(`${staging}/index.html`, 'three')
  const asked = await fleet.publish(staging, '--detach')
  const { jobId } = lastLine(asked) as { jobId: string }
  await receiver.got('it is planned', ({ body }) => body.includes('engine.job.planned'))
  await fleet.stop('coordinator', 'SIGKILL')
  fleet.startCoordinator()
  const isEnd = ({ body }: { body: string }): boolean => body.includes(jobId) && body.includes('engine.job.committed')
  const end = await receiver.got('its end', isEnd)
  t.match(JSON.parse(end.body), { data: { jobId, state: /succeeded|partial/ } })
  const ids = receiver.received.filter(isEnd).map(({ headers }) => headers['webhook-id'])
  t.equal(new Set(ids).size, 1, 'told more than once it has one id')
  await fleet.online(1)
})

t.test('the receiver of the guide takes what is signed and refuses the rest', async (t) => {
  const guide = await readFile(fileURLToPath(new URL('../../docs/guide/webhooks.md', import.meta.url)), 'utf8')
  const program = `${directory}/receiver.mjs`
  await writeFile(program, /```js\n([\s\S]*?)```/.exec(guide)?.[1] ?? '')
  const port = await stablePort()
  const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
  await writeFile(`${directory}/secret`, `${secret}\n`)
  const receiver = start(process.execPath, [program], { env: { WEBHOOK_SECRET: secret, PORT: String(port) } })
  t.teardown(() => receiver.stop('SIGKILL'))
  const url = `http://127.0.0.1:${port}/hook`
  const shown = await fleet.engine(
    'webhook',
    'add',
    url,
    '--allow-private',
    '--types',
    'job.*',
    '--secret-file',
    `${directory}/secret`,
  )
  t.equal(shown.code, 0, shown.stderr)
  t.notMatch(shown.stdout + shown.stderr, secret, 'a secret of one’s own is not repeated')
  const id = shown.stdout.trim()
  await until('it listens', async () =>
    fetch(url, { method: 'POST' }).then(
      ({ status }) => status === 401,
      () => false,
    ),
  )
  const pinged = await fleet.engine('webhook', 'ping', id)
  t.equal(pinged.code, 0, pinged.stdout + pinged.stderr)
  t.match(pinged.stdout, /delivered: 204 in/)
  await writeFile(`${staging}/index.html`, 'four')
  t.equal((await fleet.publish(staging)).code, 0)
  await until('it says so', () => /engine\.job\.committed jobs\/\w+ succeeded/.test(receiver.output))
  const committed = (await deliveriesOf(id)).find(({ eventType }) => eventType === 'engine.job.committed')
  const again = await fleet.engine('webhook', 'resend', id, committed?.id ?? '')
  t.equal(again.code, 0, again.stderr)
  t.equal(receiver.output.match(/engine\.job\.committed/g)?.length, 1, 'it knows the id')
})

t.test('webhooks are listed, rotated and removed; mistakes have their exit codes', async (t) => {
  const { webhook, secret } = await add('http://127.0.0.1:9/hook', '--types', 'node.*', '--site', 'www')
  t.match(secret, /^whsec_/)
  const listed = await fleet.engine('webhook', 'ls')
  t.match(listed.stdout, new RegExp(`${webhook.id}  node\\.\\*`))
  const vain = await fleet.engine('webhook', 'ping', webhook.id)
  t.equal(vain.code, 1)
  t.match(vain.stdout, /waiting: .*ECONNREFUSED/)
  t.match((await fleet.engine('webhook', 'ls')).stdout, new RegExp(`${webhook.id}.*fails since`))
  t.match((await fleet.engine('webhook', 'rotate', webhook.id)).stdout, /whsec_/)
  t.equal((await fleet.engine('webhook', 'rm', webhook.id)).code, 0)
  t.notMatch((await fleet.engine('webhook', 'ls')).stdout, webhook.id)
  t.equal((await fleet.engine('webhook', 'rm', webhook.id)).code, 3)
  t.equal((await fleet.engine('webhook', 'add', 'http://127.0.0.1:9/hook')).code, 4)
  t.equal((await fleet.engine('webhook', 'add', 'ftp://a.test/')).code, 2)
  t.equal((await fleet.engine('webhook', 'add', 'https://a.test/', '--types', 'jobs.*')).code, 2)
  t.equal((await fleet.engine('webhook', 'add', 'https://a.test/', '--secret-file', `${directory}/none`)).code, 2)
  t.equal((await fleet.engine('events', '--since', 'yesterday')).code, 2)
  t.match(fleet.process('coordinator').output, /webhook added/)
  t.notMatch(fleet.process('coordinator').output, /whsec_/)
})
