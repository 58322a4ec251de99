// The fold of journal records: what a node holds, and which reports are owed. Properties over any
// sequence of records: a snapshot adds up to the same state, and a record told twice changes nothing.
import { deepStrictEqual, ok } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  emptyState,
  fold,
  holdingsOf,
  illnessOf,
  isHeld,
  isLive,
  journalRecord,
  type JournalRecord,
  type NodeState,
  snapshotOf,
  wordsOf,
} from '../../../src/node/state.js'

const hash = (digit: string): string => digit.repeat(64)
const id = (digit: string): string => digit.repeat(32)

const report = (reportId: number) => ({
  type: 'report' as const,
  reportId,
  commandId: 'c',
  jobId: 'j',
  number: 1,
  command: 'publish' as const,
  kind: 'completion' as const,
  site: 'www',
  release: 1,
  treeHash: hash('a'),
  atMs: 5,
  bytesFetched: 6,
  output: null,
  error: null,
})

const site = fc.constantFrom('www', 'img', '__proto__1')
const release = fc.integer({ min: 1, max: 4 })
const treeHash = fc.constantFrom(hash('a'), hash('b'))
const assignmentId = fc.constantFrom(id('1'), id('2'), id('3'))
const reportId = fc.integer({ min: 1, max: 20 })
const command = { jobId: fc.constantFrom('j', 'k'), number: fc.integer({ min: 1, max: 3 }) }
const executed = { ...command, type: fc.constant('executed' as const) }
const judged = { type: fc.constant('judged' as const), site, release, treeHash }
const anyRecord: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ type: fc.constant('executing' as const), ...command }),
  fc.record({ ...executed, phase: fc.constant('completion' as const), error: fc.constant(null) }),
  fc.record({
    ...executed,
    phase: fc.constant('failure' as const),
    error: fc.constant({ code: 'x', message: 'y', hint: 'z' }),
  }),
  fc.record({ type: fc.constant('joined' as const), coordinatorId: fc.constantFrom(id('c'), id('d')) }),
  fc.constant({ type: 'joined' as const, coordinatorId: id('c'), publicKey: hash('e') }),
  fc.record({ type: fc.constant('begun' as const), assignmentId, site, release, treeHash }),
  fc.record({ type: fc.constant('ended' as const), assignmentId }),
  fc.record({ type: fc.constant('staged' as const), site, release, treeHash }),
  fc.record({ type: fc.constant('live' as const), site, release, treeHash }),
  fc.record({ type: fc.constant('dropped' as const), site, release }),
  fc.record({
    ...{ type: fc.constant('hooks-due' as const), site, release, treeHash, jobId: fc.constant('j') },
    ...{ number: fc.constant(2), commandId: fc.constant('c'), command: fc.constant('commit' as const) },
  }),
  fc.record({
    ...{ type: fc.constant('hooks-done' as const), site, release },
    trouble: fc.option(fc.record({ hook: fc.constant('h'), message: fc.constantFrom('a', 'b') })),
  }),
  fc.record({ ...judged, health: fc.constantFrom('sound' as const, 'suspect' as const, 'damaged' as const) }),
  fc.record({ ...judged, health: fc.constant('damaged' as const), mend: fc.boolean() }),
  reportId.map((number) => ({ type: 'reported' as const, report: report(number) })),
  fc.record({ type: fc.constant('acked' as const), reportId }),
)
const anyRecords = fc.array(anyRecord, { maxLength: 40 })

const foldAll = (records: readonly JournalRecord[]): NodeState => records.reduce(fold, emptyState)

/** Comparable: maps in the order of their keys, sites that hold nothing left out. */
const plain = (state: NodeState): unknown => ({
  coordinatorId: state.coordinatorId,
  publicKey: state.publicKey,
  lastReportId: state.lastReportId,
  begun: [...state.begun].sort(),
  executed: [...state.executed].sort(),
  hooks: [...state.hooks].sort(),
  unacked: [...state.unacked].sort(([a], [b]) => a - b),
  sites: [...state.sites]
    .filter(([, { live, held }]) => live !== null || held.size > 0)
    .map(([name, { live, held }]) => [name, live, [...held].sort(([a], [b]) => a - b)])
    .sort(),
})

t.test('a snapshot adds up to the state it was made of', async (t) => {
  fc.assert(
    fc.property(anyRecords, (records) => {
      const state = foldAll(records)
      deepStrictEqual(plain(foldAll(snapshotOf(state))), plain(state))
    }),
  )
})

t.test('a record told twice in a row changes nothing', async (t) => {
  fc.assert(
    fc.property(anyRecords, anyRecord, (records, record) => {
      const once = fold(foldAll(records), record)
      deepStrictEqual(plain(fold(once, record)), plain(once))
    }),
  )
})

t.test('what is live is held, and holdings name each release once', async (t) => {
  fc.assert(
    fc.property(anyRecords, (records) => {
      const state = foldAll(records)
      for (const { site, live, held } of holdingsOf(state)) {
        const health = live && illnessOf(state, site, live)?.health
        ok(live === null || ((isHeld(state, site, live) || health === 'suspect') && isLive(state, site, live)))
        ok(live === null || state.sites.get(site)?.held.get(live.release)?.wasLive)
        ok(new Set(held.map(({ release }) => release)).size === held.length)
      }
    }),
  )
})

t.test('report numbers only grow, whatever is acknowledged', async (t) => {
  fc.assert(
    fc.property(anyRecords, anyRecord, (records, record) => {
      const before = foldAll(records)
      ok(fold(before, record).lastReportId >= before.lastReportId)
    }),
  )
})

t.test('the records of a publish, its commit and a rollback', async (t) => {
  const a = { site: 'www', release: 1, treeHash: hash('a') }
  const b = { site: 'www', release: 2, treeHash: hash('b') }
  const state = foldAll([
    { type: 'staged', ...a },
    { type: 'live', ...a },
    { type: 'begun', assignmentId: id('2'), ...b },
    { type: 'staged', ...b },
  ])
  t.ok(isLive(state, 'www', a))
  t.ok(isHeld(state, 'www', b))
  t.notOk(isHeld(state, 'www', { release: 2, treeHash: hash('a') }), 'a number alone is not enough')
  const back = [
    { type: 'live' as const, ...b },
    { type: 'live' as const, ...a },
  ].reduce(fold, state)
  t.ok(isLive(back, 'www', a))
  t.equal(back.sites.get('www')?.held.get(2)?.wasLive, true)
  t.strictSame(holdingsOf(fold(back, { type: 'dropped', site: 'www', release: 2 })), [
    { site: 'www', live: { release: 1, treeHash: hash('a') }, held: [{ release: 1, treeHash: hash('a') }] },
  ])
})

t.test(
  'a damaged release is told as such until it is staged anew, and who is asked to mend it is remembered',
  async (t) => {
    const a = { site: 'www', release: 1, treeHash: hash('a') }
    const b = { site: 'www', release: 2, treeHash: hash('a') }
    const well = foldAll([
      { type: 'staged', ...a },
      { type: 'live', ...b },
    ])
    const ill = [
      { type: 'judged' as const, ...b, health: 'damaged' as const, mend: true },
      { type: 'judged' as const, ...a, health: 'suspect' as const },
      { type: 'judged' as const, ...b, health: 'damaged' as const },
      { type: 'live' as const, ...b },
    ].reduce(fold, well)
    const { site, ...ref } = b
    t.strictSame(holdingsOf(ill), [{ site, live: null, held: [], damaged: [{ ...ref, live: true, mend: true }] }])
    t.equal(fold(ill, { type: 'judged', ...b, treeHash: hash('b'), health: 'sound' }), ill, 'of another content')
    const mended = [
      { type: 'staged' as const, ...b },
      { type: 'judged' as const, ...a, health: 'sound' as const },
    ].reduce(fold, ill)
    t.strictSame(holdingsOf(mended), holdingsOf(well))
  },
)

t.test('only records that make sense are taken from a journal', async (t) => {
  const good: JournalRecord = { type: 'staged', site: 'www', release: 1, treeHash: hash('a') }
  t.strictSame(journalRecord.parse(JSON.parse(JSON.stringify(good))), good)
  const wrong = [{ ...good, site: '../etc' }, { ...good, release: 0 }, { ...good, treeHash: 'x' }, { type: 'other' }, 7]
  for (const value of wrong) t.notOk(journalRecord.safeParse(value).success, JSON.stringify(value))
})

t.test(
  'hooks are due until they are done or another release is live; their trouble is told while theirs is',
  async (t) => {
    const live = (number: number): JournalRecord => ({
      type: 'live',
      site: 'www',
      release: number,
      treeHash: hash('a'),
    })
    const order = { commandId: 'c', jobId: 'j', number: 2, command: 'commit' as const }
    const due: JournalRecord = { type: 'hooks-due', site: 'www', release: 2, treeHash: hash('a'), ...order }
    const trouble = { hook: 'reload', message: 'hook reload failed' }
    const done: JournalRecord = { type: 'hooks-done', site: 'www', release: 2, trouble }
    t.equal(foldAll([live(1), due]).hooks.get('www')?.due?.release, 2)
    t.equal(foldAll([live(1), due, live(2)]).hooks.get('www')?.due?.release, 2)
    t.equal(foldAll([live(1), due, live(3)]).hooks.size, 0)
    t.strictSame(foldAll([live(1), due, live(2), done]).hooks.get('www'), { due: null, trouble })
    t.match(holdingsOf(foldAll([due, live(2), done])), [{ site: 'www', trouble: 'hook reload failed' }])
    t.equal(foldAll([due, live(2), done, live(3)]).hooks.size, 0)
    t.notOk('trouble' in (holdingsOf(foldAll([live(2)]))[0] ?? {}))
  },
)

t.test('how far a node is with what was decided never goes back, and outlives what it was', async (t) => {
  const place = { site: 'www', release: 2, treeHash: 'a'.repeat(64) }
  const over = { type: 'executed', jobId: 'j', number: 3, phase: 'completion', error: null } as const
  const records: readonly JournalRecord[] = [
    { type: 'live', ...place, revision: 5 },
    { ...over, site: 'www', revision: 7 },
    { ...over, number: 2, site: 'www', revision: 6 },
    { type: 'live', ...place, release: 1, revision: 4 },
    { type: 'live', ...place },
    over,
    { type: 'executing', jobId: 'j', number: 9 },
  ]
  const state = records.reduce(fold, emptyState)
  t.same(wordsOf(state, 'www'), { switched: 5, settled: 7 })
  t.same(wordsOf(state, 'other'), { switched: 0, settled: 0 })
  const again = snapshotOf(state).reduce(fold, emptyState)
  t.same(wordsOf(again, 'www'), { switched: 5, settled: 7 })
  for (const record of snapshotOf(state)) t.ok(journalRecord.safeParse(record).success, record.type)
})
