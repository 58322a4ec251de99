// Goal: commands reach nodes that the coordinator does not reach, from the nodes that have them, once and in order, and
// what these nodes report reaches the coordinator when it is back. Method: real processes; a node whose way to the
// coordinator is cut while it works; a node that was killed and comes back when the coordinator is dead, killed right
// after it handed the commands to others.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet } from '../support/fleet.js'
import { Proxy } from '../support/proxy.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-words-`)
const names = ['n1', 'n2', 'n3'] as const
for (const name of names) {
  await writeFile(
    `${directory}/${name}.yaml`,
    `
node:
  hooks:
    note:
      command: [sh, -c, 'echo "$1 $(cat "$ENGINE_LIVE/index.html")" >> "${directory}/${name}-notes"', note, "{line}"]
      arguments:
        line: {type: string, required: true}
`,
  )
}
const fleet = await Fleet.start(directory, 2)
const proxy = await Proxy.open(fleet.url)
fleet.startNode('n3', proxy.url)
await fleet.online(3)
t.teardown(async () => {
  await fleet.stopAll()
  proxy.close()
  await rm(directory, { recursive: true, force: true })
})

const notesOf = (name: string): Promise<string[]> =>
  readFile(`${directory}/${name}-notes`, 'utf8').then(
    (text) => text.trim().split('\n'),
    () => [],
  )
const liveOn = (name: string): Promise<string> => readFile(`${fleet.liveOf(name)}/index.html`, 'utf8').catch(() => '')

async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${fleet.url}${path}`, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}
const job = (id: string): Promise<JobView> => api('GET', `/v1/jobs/${id}`)
const add = (id: string, ...commands: readonly unknown[]): Promise<JobView> =>
  api('POST', `/v1/jobs/${id}/commands`, { commands })
const commandDone = (id: string, number: number): Promise<JobView> =>
  until(
    `command ${number} is over`,
    async () => {
      const view = await job(id)
      return view.commands.some((each) => each.number === number && each.state === 'completed') ? view : false
    },
    () => fleet.story(),
  )

/** A session with a release that is staged everywhere, and the word of it on every disk. */
async function staged(content: string): Promise<JobView> {
  const staging = `${directory}/staging-${content}`
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, content)
  const opened = await api<JobView>('POST', '/v1/jobs', {
    site: 'www',
    group: 'edge',
    commands: [{ type: 'publish', directory: staging }],
  })
  const view = await commandDone(opened.id, 1)
  for (const name of names) {
    await until('its word is kept', async () => {
      const text = await readFile(`${fleet.dataOf(name)}/words/www.json`, 'utf8').catch(() => '')
      return text.includes(opened.id)
    })
  }
  return view
}

interface Receipts {
  readonly items: readonly { readonly nodeName: string; readonly command: string; readonly kind: string }[]
}

/** Waits until the coordinator has the completions of a node, and looks whether they are its own. */
async function reported(id: string, node: string, commands: readonly string[]): Promise<void> {
  await until(
    `${node} has reported ${commands.join(', ')}`,
    async () => {
      const outcome = await fleet.engine('receipts', id, '--json')
      if (outcome.code !== 0) return false
      const { items } = JSON.parse(outcome.stdout) as Receipts
      const own = items.filter(({ nodeName, kind }) => nodeName === node && kind === 'completion')
      return commands.every((command) => own.some((each) => each.command === command))
    },
    () => fleet.story(),
  )
  t.equal((await fleet.engine('receipts', id, '--verify')).code, 0, 'every receipt is signed by its node')
}

t.test('a node that is cut off from the coordinator gets commands from the others, in order, once', async (t) => {
  const { id } = await staged('one')
  proxy.cut()
  await add(
    id,
    { type: 'commit' },
    { type: 'run-hook', hook: 'note', args: { line: 'first' } },
    { type: 'verify' },
    { type: 'run-hook', hook: 'note', args: { line: 'second' } },
  )
  await until(
    'it is live there',
    async () => (await liveOn('n3')) === 'one',
    () => fleet.story(),
  )
  await until(
    'both hooks ran there',
    async () => (await notesOf('n3')).length >= 2,
    () => fleet.story(),
  )
  await commandDone(id, 5)
  await add(id, { type: 'end-job' })
  const heard = await until(
    'the end of the job came there',
    async () => {
      const kept = JSON.parse(await readFile(`${fleet.dataOf('n3')}/words/www.json`, 'utf8')) as {
        word: { jobId: string; ended: boolean; commands: { command: { type: string } }[] }
      }[]
      return kept.map(({ word }) => word).find((word) => word.jobId === id && word.ended)
    },
    () => fleet.story(),
  )
  const types = heard.commands.map(({ command }) => command.type)
  t.same(types, ['commit', 'run-hook', 'verify', 'run-hook', 'end-job'], 'in the order of the queue')
  for (const name of names) t.same(await notesOf(name), ['first one', 'second one'], `${name} did each once, in order`)
  t.match(fleet.process('n3').output, /"via":"n[12]"/, 'its log says from whom')
  proxy.mend()
  await fleet.online(3)
  await reported(id, 'n3', ['commit', 'run-hook', 'verify'])
  t.same(await notesOf('n3'), ['first one', 'second one'], 'the coordinator asks for nothing again')
})

t.test('a node that comes back to a dead coordinator gets what it missed from any node', async (t) => {
  const { id } = await staged('two')
  await fleet.stop('n2', 'SIGKILL')
  await add(id, { type: 'commit' }, { type: 'run-hook', hook: 'note', args: { line: 'third' } })
  const others = ['n1', 'n3'] as const
  for (const name of others)
    await until(
      'live',
      async () => (await liveOn(name)) === 'two',
      () => fleet.story(),
    )
  for (const name of others)
    await until(
      'noted',
      async () => (await notesOf(name)).length === 3,
      () => fleet.story(),
    )
  await fleet.stop('coordinator', 'SIGKILL')
  fleet.startNode('n2')
  await until(
    'it is live there too',
    async () => (await liveOn('n2')) === 'two',
    () => fleet.story(),
  )
  await until(
    'its hook ran',
    async () => (await notesOf('n2')).length === 3,
    () => fleet.story(),
  )
  fleet.startCoordinator()
  await fleet.online(3)
  await reported(id, 'n2', ['commit', 'run-hook'])
  await add(id, { type: 'end-job' })
  await until(
    'the job is over',
    async () => (await job(id)).state === 'succeeded',
    () => fleet.story(),
  )
  for (const name of names) t.same(await notesOf(name), ['first one', 'second one', 'third two'], `${name}: once each`)
})

t.test('a rollback that one node was told of reaches all, and a word of before brings nothing back', async (t) => {
  proxy.cut()
  await fleet.stop('n2', 'SIGKILL')
  const before = await readFile(`${fleet.dataOf('n3')}/words/www.json`, 'utf8')
  const rolled = api<JobView>('POST', '/v1/jobs', {
    site: 'www',
    group: 'edge',
    reason: 'broken menu',
    commands: [{ type: 'rollback' }],
  }).catch(() => null)
  await until(
    'one node has it',
    async () => (await liveOn('n1')) === 'one',
    () => fleet.story(),
  )
  await fleet.stop('coordinator', 'SIGKILL')
  await rolled
  fleet.startNode('n2')
  for (const name of names) {
    await until(
      `${name} is back at one`,
      async () => (await liveOn(name)) === 'one',
      () => fleet.story(),
    )
  }
  // What n3 knew before is put in its place: it neither goes back to it nor gives it to others.
  await fleet.stop('n3', 'SIGKILL')
  await writeFile(`${fleet.dataOf('n3')}/words/www.json`, before)
  fleet.startNode('n3', proxy.url)
  await until('it knows the newest again', async () => {
    const text = await readFile(`${fleet.dataOf('n3')}/words/www.json`, 'utf8')
    return text.includes('"rollback"')
  })
  t.equal(await liveOn('n3'), 'one')
  proxy.mend()
  fleet.startCoordinator()
  await fleet.online(3)
  for (const name of names) t.equal(await liveOn(name), 'one', name)
})
