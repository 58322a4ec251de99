// Goal: who is connected counts as there, and what it says counts once it is on record, in the order it was said.
// Method: a real coordinator and a real socket, by a clock that is moved by hand; then links that are played, over a
// database that stalls or refuses.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { HEARTBEAT_MS, REPORTS_KEPT_MAX, RETRY_FIRST_MS } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { Signer } from '../../../src/base/signing.js'
import { createMetrics } from '../../../src/control/metrics.js'
import type { FromCoordinator, Hello, Report } from '../../../src/control/schema/channel.js'
import { Looking } from '../../../src/coordinator/looking.js'
import { Queries } from '../../../src/coordinator/querying.js'
import { Checks } from '../../../src/coordinator/checking.js'
import { nodeConnected } from '../../../src/coordinator/listening.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { type KnownNode, Roster } from '../../../src/coordinator/roster.js'
import { steer } from '../../../src/coordinator/steering.js'
import type { World } from '../../../src/coordinator/world.js'
import { Coordinator } from '../../../src/coordinator.js'
import type { Receipt } from '../../../src/model/job.js'
import { proofOf, signReport } from '../../../src/model/proof.js'
import type { JobRecord } from '../../../src/store/jobs.js'
import { newPart } from '../../../src/track/fold.js'
import { someSigner } from '../../support/audit.js'
import { FakeNode } from '../../support/fake-node.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'
import { untold } from '../../support/untold.js'

t.test('a node that says nothing but answers pings was heard just now', async (t) => {
  const clock = new ManualClock()
  await using coordinator = await Coordinator.open({ dataDir: t.testdir(), clock })
  const node = new FakeNode({ name: 'idle' })
  await node.connect(coordinator.url)
  // At the first beat its hello was heard since the one before.
  clock.advance(HEARTBEAT_MS)
  clock.advance(HEARTBEAT_MS)
  const seen = await until('its pong counts', async () => {
    const [view] = await coordinator.nodes()
    return view?.lastSeenMs === clock.nowMs() ? view : undefined
  })
  t.equal(seen.online, true)
  await node.disconnect()
})

t.test('a node that says more than can be taken is let go, one that tells all that it owes is not', async (t) => {
  let goOn = (): void => {}
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const world = {
    ...untold,
    ...{ roster: new Roster(), clock: new ManualClock(), log: silentLogger, stale: [] },
    ...{ sites: new Map(), jobs: new Map(), closing: new AbortController().signal },
    checks: new Checks(),
    queries: new Queries(),
    looking: new Looking(() => {
      throw new Error('asked for its world')
    }),
    probes: { lost: () => {} },
    nodeBook: { put: () => stalled, setSites: async () => {} },
    store: { commands: { owedTo: async () => [] }, releases: { undecided: async () => [] } },
  } as unknown as World
  const closed: string[] = []
  const link = { send: () => {}, close: (code: string) => void closed.push(code) }
  const identity = { id: 'a'.repeat(32), name: 'loud', groups: ['edge'], segment: 'lan' }
  const node = { ...identity, dataAddress: { host: '127.0.0.1', port: 1 } }
  const hello = { type: 'hello', version: 1, role: 'node', software: 'test', node, sites: [] } as const
  const session = nodeConnected(world, link, hello as unknown as Parameters<typeof nodeConnected>[2])
  const say = (times: number): void => {
    for (let at = 0; at < times; at++) session.onMessage({ type: 'holdings', sites: [] })
  }
  say(REPORTS_KEPT_MAX)
  t.same(closed, [])
  say(REPORTS_KEPT_MAX)
  t.same([...new Set(closed)], ['ENGINE_ERR_OVERLOADED'])
  const [known] = world.roster.all
  goOn()
  await known?.inbox
  t.equal(known?.inboxCount, 0)
})

const release = { release: 1, treeHash: 'b'.repeat(64) }
const holding = { site: 'www', live: null, held: [release] }

/** A site whose release is in one whole assignment, and one node that is connected and says it holds it. */
function place(record: (receipt: Receipt) => Promise<void> = async () => {}) {
  const [clock, roster, metrics] = [new ManualClock(), new Roster(), createMetrics()]
  const target = { ...release, jobId: 'j', command: 'commit' }
  const assignment = { id: 'x', serial: 1, site: 'www', chunkBytes: 4096 }
  const assignments = [{ id: 'x', release, base: null, record: assignment }]
  const source = { nodeId: 'f'.repeat(32), host: '127.0.0.1', port: 2 }
  const plan = { strandCount: 1, parents: [[source]], peers: [] }
  const transfer = { assignmentId: 'x', partOf: () => ({ part: { nodeId: '', plan, reserve: null }, changed: [] }) }
  const world = {
    ...untold,
    ...{ clock, roster, metrics, log: silentLogger, stale: [], jobs: new Map(), closing: new AbortController().signal },
    sites: new Map([['www', { record: { site: 'www', group: 'edge', only: null, target }, assignments }]]),
    transfers: { get: () => transfer },
    receiptBook: { record },
    nodeBook: { put: async () => {}, setSites: async () => {}, setSeen: async () => {} },
    checks: new Checks(),
    queries: new Queries(),
    looking: new Looking(() => {
      throw new Error('asked for its world')
    }),
    probes: { lost: () => {} },
    store: {
      commands: { owedTo: async () => [] },
      ...{ releases: { undecided: async () => [] }, jobs: { get: async () => ({ state: 'succeeded', site: 'www' }) } },
      jobNodes: { has: async () => false },
    },
  } as unknown as World
  const connect = (sites: Hello['sites'] = [holding], publicKey?: string) => {
    const [heard, closed]: [FromCoordinator[], string[]] = [[], []]
    const node = { id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' }
    const hello = { type: 'hello', version: 1, role: 'node', software: 'test', sites } as const
    const link = { send: (message: FromCoordinator) => void heard.push(message), close: (code: string) => end(code) }
    const session = nodeConnected(world, link, {
      ...hello,
      node: { ...node, dataAddress: { host: '127.0.0.1', port: 1 } },
      ...(publicKey === undefined ? {} : { publicKey }),
    })
    const end = (code: string): void => {
      closed.push(code)
      session.onClosed()
    }
    const [known] = roster.all
    return { known: known as KnownNode, session, heard, closed }
  }
  return { world, clock, connect, metrics }
}

/** The answer to the last command of a kind that was heard. */
function answer(
  heard: readonly FromCoordinator[],
  type: 'stage' | 'commit',
  of: Pick<Report, 'kind' | 'error'>,
): Report {
  const told = heard.findLast((message) => message.type === type)
  const commandId = told !== undefined && 'commandId' in told ? told.commandId : 'none'
  const number = type === 'stage' ? 1 : 2
  const about = { commandId, jobId: 'j', number, site: 'www', ...release, atMs: 1, bytesFetched: 0, output: null }
  return { type: 'report', reportId: 1, command: type === 'stage' ? 'publish' : 'commit', ...about, ...of }
}

const done = { kind: 'completion', error: null } as const
const types = (heard: readonly FromCoordinator[]): readonly string[] => heard.map(({ type }) => type)

t.test('a report that cannot be recorded costs the connection, and is taken when it is told again', async (t) => {
  let refusals = 1
  const { connect } = place(async () => {
    if (refusals-- > 0) throw new EngineError('ENGINE_ERR_NO_SPACE', { path: 'db' })
  })
  const { known, session, heard, closed } = connect()
  await known.inbox
  t.same(types(heard), ['welcome', 'commit'])
  session.onMessage(answer(heard, 'commit', done))
  await known.inbox
  t.same(closed, ['ENGINE_ERR_NO_SPACE'])
  t.same(types(heard), ['welcome', 'commit'], 'it is not acknowledged')
  t.equal(known.task('www').underWay, null)
  const again = connect()
  again.session.onMessage(answer(heard, 'commit', done))
  await known.inbox
  t.ok(types(again.heard).includes('ack'))
  t.same(known.holdings('www').live, release)
})

t.test('a hello that cannot be recorded costs the connection: nothing that follows from it is left out', async (t) => {
  const { world, connect } = place(async () => {})
  const { put } = world.nodeBook
  world.nodeBook.put = async () => {
    throw new EngineError('ENGINE_ERR_NO_SPACE', { path: 'db' })
  }
  const first = connect()
  await first.known.inbox
  t.same(first.closed, ['ENGINE_ERR_NO_SPACE'])
  t.same(types(first.heard), ['welcome'])
  world.nodeBook.put = put
  const second = connect()
  await second.known.inbox
  t.same(types(second.heard), ['welcome', 'commit'])
})

t.test('a report is recorded as its node signed it; one that it did not sign is refused for good', async (t) => {
  const records: Receipt[] = []
  const { connect, metrics } = place(async (receipt) => void records.push(receipt))
  const { known, session, heard, closed } = connect([holding], someSigner.publicKey)
  await known.inbox
  const unsigned = answer(heard, 'commit', done)
  const facts = { ...unsigned, nodeId: known.identity.id }
  const signature = signReport(facts, someSigner)
  const theirs = signReport(facts, new Signer(Buffer.alloc(32, 9)))
  const forged: Report[] = [
    { ...unsigned, reportId: 2 },
    { ...unsigned, reportId: 3, signature: theirs },
    { ...unsigned, reportId: 4, signature, treeHash: 'c'.repeat(64) },
  ]
  for (const report of forged) session.onMessage(report)
  await known.inbox
  const refused = heard.filter((message) => message.type === 'refuse-report')
  t.match(
    refused,
    [2, 3, 4].map((reportId) => ({ reportId, code: 'ENGINE_ERR_REPORT_UNPROVEN' })),
  )
  t.same([records, closed, types(heard).includes('ack')], [[], [], false])
  t.equal(known.holdings('www').live, null, 'it counts for nothing')
  t.match(await metrics.text(), /engine_report_refusals_total 3/)
  session.onMessage({ ...unsigned, signature })
  await known.inbox
  t.match(heard, [{ type: 'welcome' }, { type: 'commit' }, {}, {}, {}, { type: 'ack', reportId: 1 }])
  t.match(records, [{ signature, publicKey: someSigner.publicKey, site: 'www', commandId: unsigned.commandId }])
  t.equal(proofOf(records[0] as Receipt), 'signed')
})

t.test('a node that has no key signs nothing: a signature in its name is none of its own', async (t) => {
  const records: Receipt[] = []
  const { connect } = place(async (receipt) => void records.push(receipt))
  const { known, session, heard } = connect()
  await known.inbox
  const unsigned = answer(heard, 'commit', done)
  session.onMessage({ ...unsigned, reportId: 2, signature: 'a'.repeat(128) })
  session.onMessage(unsigned)
  await known.inbox
  t.match(records, [{ signature: null, publicKey: null }])
  t.equal(types(heard).filter((type) => type === 'refuse-report').length, 1)
})

t.test('what a node was never asked is not on record, whoever signs it', async (t) => {
  const records: Receipt[] = []
  const { connect, world, metrics } = place(async (receipt) => void records.push(receipt))
  const { known, session, heard, closed } = connect()
  const commands = [{ number: 1 }, { number: 2 }] as unknown as LiveJob['commands']
  const job = { id: 'j', state: 'committing', site: 'www', group: 'edge', only: null, ...release }
  world.jobs.set('j', new LiveJob(job as unknown as JobRecord, { commands, parts: [newPart(known.identity)] }, 0))
  await known.inbox
  const own = answer(heard, 'commit', done)
  session.onMessage({ ...own, reportId: 2, number: 3 })
  session.onMessage({ ...own, reportId: 3, site: 'other' })
  const site = world.sites.get('www')
  Object.assign(site?.record ?? {}, { group: 'elsewhere' })
  session.onMessage({ ...own, reportId: 4, jobId: 'older' })
  await known.inbox
  t.match(
    heard.filter(({ type }) => type === 'refuse-report'),
    [2, 3, 4].map((reportId) => ({ reportId, code: 'ENGINE_ERR_REPORT_FOREIGN' })),
  )
  t.same([records, closed, types(heard).includes('ack')], [[], [], false])
  t.match(await metrics.text(), /engine_report_refusals_total 3/)
  session.onMessage(own)
  world.store.jobNodes.has = async (_, nodeId) => nodeId === known.identity.id
  session.onMessage({ ...own, reportId: 5, jobId: 'older' })
  await known.inbox
  t.match(records, [{ jobId: 'j' }, { jobId: 'older' }], 'what it does for a job that it is, or was, of is recorded')
})

t.test('a node that lost what it staged is sent it again', async (t) => {
  const { connect, clock, world } = place()
  const { known, session, heard } = connect()
  await known.inbox
  const error = { code: 'ENGINE_ERR_RELEASE_UNKNOWN', message: 'it is not kept', hint: '' }
  session.onMessage(answer(heard, 'commit', { kind: 'failure', error }))
  await known.inbox
  t.same(known.holdings('www').held, [])
  clock.advance(RETRY_FIRST_MS)
  steer(world, known, 'www')
  t.match(heard.at(-1), { type: 'stage', release: 1, assignment: { id: 'x' } })
  session.onMessage(answer(heard, 'stage', done))
  await known.inbox
  t.match(heard.at(-1), { type: 'commit', release: 1 })
})

t.test('what came by an earlier connection does not undo what a newer hello says', async (t) => {
  let goOn = (): void => {}
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { connect, world } = place(() => stalled)
  const first = connect([])
  const { known } = first
  const job = new LiveJob(
    {
      id: 'j',
      state: 'committing',
      site: 'www',
      group: 'edge',
      only: null,
      policy: {},
      ...release,
    } as unknown as JobRecord,
    { commands: [{ number: 1 }] as unknown as LiveJob['commands'], parts: [newPart(known.identity)] },
    0,
  )
  world.jobs.set('j', job)
  await known.inbox
  first.session.onMessage(answer(first.heard, 'stage', done))
  first.session.onMessage({ type: 'holdings', sites: [holding] })
  first.session.onClosed()
  const newer = connect([])
  goOn()
  await known.inbox
  t.same(known.holdings('www').held, [])
  t.same(types(newer.heard), ['welcome', 'stage'])
  t.match(job.parts, [{ state: 'receiving' }])
})

t.test('what peers of nodes did wrong is counted, as they tell it', async (t) => {
  const { connect, metrics } = place()
  const { session } = connect()
  session.onMessage({ type: 'faults', corruptChunks: 2, faultyLinks: 3 })
  session.onMessage({ type: 'faults', corruptChunks: 0, faultyLinks: 1 })
  const text = await metrics.text()
  t.match(text, /engine_corrupt_chunks_total\{role="node"\} 2/)
  t.match(text, /engine_faulty_links_total\{role="node"\} 4/)
})
