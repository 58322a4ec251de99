// Goal: a relay that forwards to 32 children, one of which takes nothing more, needs little memory however much goes
// through it. Method: three processes with the built code on loopback: the relay, 31 children in this one, and the
// 32nd in one that is stopped in mid-transfer. The peak of the relay's memory is what the system counted.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { NodePlan } from '../../src/model/plan.js'
import { Relay } from '../../src/native/relay.js'
import { key, noise, packTree, writeTree } from '../support/assignments.js'
import { type Running, start } from '../support/process.js'
import { until } from '../support/until.js'

const CHILDREN = 32
const CONTENT_BYTES = 24 * 1024 * 1024
const RESIDENT_BYTES_MAX = 120 * 1024 * 1024

const idOf = (number: number): string => number.toString(16).padStart(32, '0')
const under = (parent: number, port: number): NodePlan => ({
  strandCount: 1,
  parents: [[{ nodeId: idOf(parent), host: '127.0.0.1', port }]],
  peers: [],
})

/** A process that is one relay with one session, and says its port and then how much it has. */
const program = `
  const { Relay } = await import(process.argv[1])
  const { number, options } = JSON.parse(process.argv[2])
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: number, name: 'relay', role: 'node' })
  const publicKey = Buffer.from(options.publicKey, 'hex')
  await relay.openReceiver({ ...options, publicKey })
  console.log('port ' + relay.port)
  setInterval(() => console.log('have ' + relay.poll()[0].bytesHave), 20)
`
const built = fileURLToPath(new URL('../../dist/src/native/relay.js', import.meta.url))

/** The last number that a process said with this word. */
const said = (running: Running, word: string): number | undefined => {
  const [last] = running.output.match(new RegExp(`(?<=${word} )\\d+(?=\\n)`, 'g'))?.slice(-1) ?? []
  return last === undefined ? undefined : Number(last)
}

async function resident(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024
}

t.test('a relay of 32 children, one of them stalled, stays within 120 MB', async (t) => {
  const root = t.testdir({})
  const directory = join(root, 'site')
  writeTree(directory, { 'big.bin': noise(7, CONTENT_BYTES) })
  const packed = packTree({ directory, release: 1 })
  const { assignmentId, chunkBytes } = packed
  const optionsOf = (number: number, plan: NodePlan) => {
    const path = join(root, `${number}.stream`)
    return { assignmentId, path, vouchPath: `${path}.vouch`, chunkBytes, plan }
  }
  const open = (number: number): Relay => {
    const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: idOf(number), name: `n${number}`, role: 'node' })
    t.teardown(() => relay.close())
    return relay
  }
  const alone = (number: number, plan: NodePlan): Running => {
    const options = { ...optionsOf(number, plan), publicKey: Buffer.from(key.publicKey).toString('hex') }
    const facts = JSON.stringify({ number: idOf(number), options })
    const running = start(process.execPath, ['--input-type=module', '-e', program, built, facts])
    t.teardown(() => running.stop('SIGKILL'))
    return running
  }

  const source = open(0)
  const { streamPath, vouchPath } = packed
  const from: NodePlan = { strandCount: 1, parents: [[]], peers: [] }
  // Nobody is late: nothing is sent until all are there.
  const pace = { rateBps: null, weight: 1, isPaused: true }
  const serving = { assignmentId, path: streamPath, vouchPath, chunkBytes, publicKey: key.publicKey, plan: from, pace }
  const session = source.openSource(serving)
  const relaying = alone(1, under(0, source.port))
  const port = await until(
    'the relay listens',
    () => said(relaying, 'port'),
    () => relaying.output,
  )
  const stalled = alone(2, under(1, port))
  const children = Array.from({ length: CHILDREN - 1 }, (_, index) => open(index + 3))
  for (const [index, child] of children.entries()) {
    await child.openReceiver({ ...optionsOf(index + 3, under(1, port)), publicKey: key.publicKey })
  }
  const statuses = () => children.flatMap((child) => child.poll())
  await until('all are connected', () => statuses().every(({ parents }) => parents.length === 1))
  const atRest = await resident(relaying.pid, 'VmRSS')
  source.setPace(session, { ...pace, isPaused: false })
  await until(
    'the one that will stall has something',
    () => (said(stalled, 'have') ?? 0) > 0,
    () => stalled.output,
  )
  process.kill(stalled.pid, 'SIGSTOP')
  await until('all others have all of it', () => statuses().every(({ complete }) => complete))
  const peak = await resident(relaying.pid, 'VmHWM')
  t.comment(`${peak} bytes at the most, ${atRest} before; ${CHILDREN} children, ${CONTENT_BYTES} bytes`)
  t.ok(peak <= RESIDENT_BYTES_MAX, `${peak} bytes`)
  t.equal((await stat(join(root, '3.stream'))).size, (await stat(streamPath)).size)
  process.kill(stalled.pid, 'SIGCONT')
  await until('the stalled one comes to its end', () => (said(stalled, 'have') ?? 0) >= packed.streamBytes)
})
