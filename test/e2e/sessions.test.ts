// Goal: what several clients ask for at once is carried out once on every node, in order, and nothing that was
// acknowledged is lost. Method: real processes; three clients with sessions of their own and one in common, each
// request sent twice under its key, some with the connection cut before the answer; the coordinator is killed in the
// middle and started again. A hook appends a line to a file of its node and site.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-sessions-`)
const nodes = ['n1', 'n2'] as const
for (const name of nodes) {
  await writeFile(
    `${directory}/${name}.yaml`,
    `
node:
  hooks:
    note:
      command: [sh, -c, 'echo "$1" >> "${directory}/${name}-$ENGINE_SITE"', note, "{line}"]
      arguments:
        line: {type: string, required: true}
`,
  )
}
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const LINES = 8

/** Sends a request and cuts the connection before its answer was read. */
const sendAndCut = (path: string, body: string, key: string): Promise<void> =>
  new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const sent = httpRequest(`${fleet.url}${path}`, { method: 'POST', headers }, () => undefined)
    sent.on('error', () => resolve())
    sent.on('close', () => resolve())
    sent.end(body, () => setTimeout(() => sent.destroy(), 2))
  })

/** Sends a request until it is acknowledged: the same key each time, as a client does that does not know. */
async function acknowledged(path: string, body: string, key: string): Promise<JobView> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
  return until(`${path} ${key} is acknowledged`, async () => {
    const answer = await fetch(`${fleet.url}${path}`, { method: 'POST', headers, body }).catch(() => null)
    // Away, closing, or the request that was cut is still being answered: again in a moment.
    if (answer === null || answer.status >= 500) return undefined
    const text = await answer.text().catch(() => '')
    if (answer.status === 409 && text.includes('ENGINE_ERR_CONFLICT')) return undefined
    t.equal(answer.status, 202, `${key} is taken, not refused`)
    return text === '' ? undefined : (JSON.parse(text) as JobView)
  })
}

async function twice(path: string, request: object, key: string, isCut: boolean): Promise<JobView> {
  const body = JSON.stringify(request)
  if (isCut) await sendAndCut(path, body, key)
  else await acknowledged(path, body, key)
  return acknowledged(path, body, key)
}

const order: string[] = []

async function client(name: string): Promise<void> {
  const own = await twice('/v1/jobs', { site: name, group: 'edge' }, `${name}-own`, true)
  const shared = await twice('/v1/jobs', { site: 'common', group: 'edge' }, 'common', name === 'a')
  for (let i = 0; i < LINES; i++) {
    const add = async (id: string, line: string): Promise<void> => {
      const commands = [{ type: 'run-hook', hook: 'note', args: { line } }]
      await twice(`/v1/jobs/${id}/commands`, { commands }, line, i % 3 === 0)
    }
    await add(own.id, `${name}${i}`)
    await add(shared.id, `${name}${i}`)
    order.push(name)
    await sleep(20)
  }
  await acknowledged(`/v1/jobs/${own.id}/commands`, '{"commands":[{"type":"end-job"}]}', 'end')
}

t.test(
  'three clients, one common session, requests sent twice or cut, the coordinator killed in the middle',
  async (t) => {
    const clients = Promise.all(['a', 'b', 'c'].map(client))
    await until('half of it was asked for', () => order.length >= (LINES * 3) / 2)
    await fleet.stop('coordinator', 'SIGKILL')
    await sleep(300)
    fleet.startCoordinator()
    await clients
    const common = await acknowledged('/v1/jobs', '{"site":"common","group":"edge"}', 'common')
    await acknowledged(`/v1/jobs/${common.id}/commands`, '{"commands":[{"type":"end-job"}]}', 'end')
    for (const job of await (async () =>
      ((await (await fetch(`${fleet.url}/v1/jobs`)).json()) as { items: JobView[] }).items)()) {
      const outcome = await fleet.engine('job', 'watch', job.id)
      t.equal(outcome.code, 0, outcome.stderr + fleet.story())
    }
    const { items } = (await (await fetch(`${fleet.url}/v1/jobs`)).json()) as { items: JobView[] }
    t.equal(items.length, 4, 'each job was opened once')
    for (const { site, commands } of items) {
      const asked = commands.flatMap(({ request }) => (request.type === 'run-hook' ? [request.args['line'] ?? ''] : []))
      t.equal(asked.length, site === 'common' ? 3 * LINES : LINES, `${site}: nothing is lost or doubled`)
      t.equal(new Set(asked).size, asked.length)
      for (const node of nodes) {
        const done = (await readFile(`${directory}/${node}-${site}`, 'utf8')).trim().split('\n')
        t.same(done, asked, `${node} did all of ${site} once, in order`)
      }
    }
    for (const name of ['a', 'b', 'c']) {
      const own = items.find(({ site }) => site === 'common')?.commands ?? []
      const lines = own.flatMap(({ request }) => (request.type === 'run-hook' ? [request.args['line'] ?? ''] : []))
      t.same(
        lines.filter((line) => line.startsWith(name)),
        Array.from({ length: LINES }, (_, i) => `${name}${i}`),
        'what one client asked for is in its order',
      )
    }
  },
)
