// Reports: durable before they are sent, sent again to each new coordinator connection until they are
// acknowledged, never after; numbers that are never used twice.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { REPORTS_KEPT_MAX } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import type { FromNode, Report } from '../../../src/control/schema/channel.js'
import { isReportSigned } from '../../../src/model/proof.js'
import { Ledger } from '../../../src/node/ledger.js'
import { type Answered, failureOf, type Outcome, Reports } from '../../../src/node/reports.js'
import { someSigner } from '../../support/audit.js'
import { ManualClock } from '../../support/manual-clock.js'

const about: Answered = {
  commandId: 'c',
  jobId: 'j',
  number: 1,
  command: 'publish',
  site: 'www',
  release: 1,
  treeHash: 'a'.repeat(64),
}
const done: Outcome = { kind: 'completion', bytesFetched: 5, output: null, error: null }
const receipt: Outcome = { ...done, kind: 'receipt' }

const openAt = async (path: string, startMs?: number) => {
  const clock = new ManualClock(startMs)
  const ledger = await Ledger.open({ path, log: silentLogger, clock })
  const sent: FromNode[] = []
  const channel = { isUp: true }
  const send = (message: FromNode): boolean => {
    if (channel.isUp) sent.push(message)
    return channel.isUp
  }
  const reports = new Reports({ ledger, clock, log: silentLogger, send, nodeId: 'a'.repeat(32), signer: someSigner })
  const ids = (): number[] => sent.map((message) => (message as Report).reportId)
  return { ledger, sent, channel, reports, ids }
}

t.test('a report is owed until it is acknowledged, over restarts, and told once a connection', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = await openAt(path)
  first.channel.isUp = false
  await first.reports.tell([], [first.reports.make(about, receipt), first.reports.make(about, done)])
  t.strictSame(first.sent, [], 'nobody is there')
  first.channel.isUp = true
  first.reports.resend()
  t.strictSame(
    first.sent.map((message) => (message as Report).kind),
    ['receipt', 'completion'],
  )
  const [receiptId, completionId] = first.ids() as [number, number]
  await first.reports.acked(receiptId)
  await first.reports.acked(receiptId)
  await first.reports.acked(999)
  t.equal(first.reports.owed, 1)
  await first.ledger.close()
  const second = await openAt(path)
  second.reports.resend()
  t.strictSame(second.ids(), [completionId])
  await second.reports.acked(completionId)
  second.reports.resend()
  t.strictSame(second.ids(), [completionId], 'never again')
  await second.ledger.close()
})

t.test('what was acknowledged while the journal took nothing is not owed, and is recorded with the next', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = await openAt(path)
  await first.reports.tell([], [first.reports.make(about, receipt), first.reports.make(about, done)])
  const [receiptId, completionId] = first.ids() as [number, number]
  const { record } = first.ledger
  first.ledger.record = async () => {
    throw new EngineError('ENGINE_ERR_NO_SPACE', { path })
  }
  await t.rejects(first.reports.acked(receiptId), { code: 'ENGINE_ERR_NO_SPACE' })
  t.equal(first.reports.owed, 1)
  first.ledger.record = record
  await first.reports.acked(completionId)
  t.equal(first.reports.owed, 0)
  await first.ledger.close()
  const second = await openAt(path)
  t.equal(second.reports.owed, 0)
  await second.ledger.close()
})

t.test('a connection is told a report once, however it came to it', async (t) => {
  const { ledger, reports, sent } = await openAt(join(t.testdir(), 'journal'))
  const report = reports.make(about, done)
  const telling = reports.tell([], [report])
  reports.resend()
  await telling
  reports.resend()
  reports.resend()
  t.equal(sent.length, 3, 'one for the first connection, one for each after it')
  await ledger.close()
})

t.test('numbers only grow: in one life, over restarts, and when the clock goes back', async (t) => {
  const path = join(t.testdir(), 'journal')
  const ids: number[] = []
  for (const startMs of [2_000_000_000_000, 1_000_000_000_000, 1_500_000_000_000]) {
    const { ledger, reports } = await openAt(path, startMs)
    for (let count = 0; count < 3; count++) {
      const report = reports.make(about, done)
      ids.push(report.reportId)
      await reports.tell([], [report])
      await reports.acked(report.reportId)
    }
    await ledger.close()
  }
  t.strictSame(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
  )
})

t.test('numbers stay new even when the journal that knew them was lost', async (t) => {
  const path = join(t.testdir(), 'journal')
  const first = await openAt(path, 2_000_000_000_000)
  const lost = first.reports.make(about, done)
  await first.reports.tell([], [lost])
  await first.ledger.close()
  await rm(path)
  const second = await openAt(path, 2_000_000_000_001)
  t.ok(second.reports.make(about, done).reportId > lost.reportId)
  await second.ledger.close()
})

t.test('a failure that cannot be recorded is told all the same', async (t) => {
  const { ledger, reports, sent } = await openAt(join(t.testdir(), 'journal'))
  await ledger.close()
  const report = reports.make(about, failureOf(new EngineError('ENGINE_ERR_NO_SPACE', { path: '/x' })))
  await t.rejects(reports.tell([], [report]))
  t.strictSame(sent, [])
  await reports.tellFailure([], [report])
  t.match(sent, [{ kind: 'failure', error: { code: 'ENGINE_ERR_NO_SPACE' } }])
})

t.test('long texts are cut to what the channel takes', async (t) => {
  const { ledger, reports } = await openAt(join(t.testdir(), 'journal'))
  const error = new EngineError('ENGINE_ERR_IO', {}, { message: 'x'.repeat(9000), hint: 'y'.repeat(9000) })
  const report = reports.make(about, failureOf(error))
  t.equal(report.error?.message.length, 2000)
  t.equal(report.error?.hint.length, 500)
  await ledger.close()
})

t.test('too many are not kept: the oldest receipts go first', async (t) => {
  const { ledger, reports, channel } = await openAt(join(t.testdir(), 'journal'))
  channel.isUp = false
  const some = (count: number, outcome: Outcome): Report[] =>
    Array.from({ length: count }, () => reports.make(about, outcome))
  await reports.tell([], some(10, receipt))
  await reports.tell([], some(REPORTS_KEPT_MAX - 10, done))
  await reports.tell([], some(15, done))
  t.equal(reports.owed, REPORTS_KEPT_MAX)
  t.notOk([...ledger.state.unacked.values()].some(({ kind }) => kind === 'receipt'))
  await ledger.close()
})

t.test('what is sent is signed by this node, each time alike, also after a restart', async (t) => {
  const path = join(t.testdir(), 'journal')
  const { reports, sent, ledger } = await openAt(path)
  await reports.tell([], [reports.make(about, { ...done, output: 'half of \ud83d' })])
  await ledger.close()
  const again = await openAt(path)
  again.reports.resend()
  t.same(again.sent, sent)
  const [report] = sent as [Report]
  t.ok(isReportSigned({ ...report, nodeId: 'a'.repeat(32) }, someSigner.publicKey, report.signature ?? ''))
  t.notOk(isReportSigned({ ...report, nodeId: 'b'.repeat(32) }, someSigner.publicKey, report.signature ?? ''))
})

t.test('a report that the coordinator refuses is not sent again', async (t) => {
  const { reports, ids } = await openAt(join(t.testdir(), 'journal'))
  await reports.tell([], [reports.make(about, done)])
  await reports.refused(ids()[0] ?? 0, { code: 'ENGINE_ERR_REPORT_UNPROVEN', message: 'no' })
  reports.resend()
  t.equal(ids().length, 1)
  t.equal(reports.owed, 0)
})
