// Goal: times, windows and kinds are read as they are written, everything else is refused. Method: a table each.
import t from 'tap'
import { parseRepair, parseTime, parseWindow, policyFlags } from '../../../src/cli/commands/publish-policy.js'

const nowMs = new Date(2026, 10, 29, 12, 0).getTime()
const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }

t.test('a time is the next one that it says', async (t) => {
  t.equal(parseTime('+30m', nowMs), nowMs + 1_800_000)
  t.equal(parseTime('13:30', nowMs), new Date(2026, 10, 29, 13, 30).getTime())
  t.equal(parseTime('12:00', nowMs), new Date(2026, 10, 30, 12, 0).getTime(), 'now is past')
  t.equal(parseTime('2026-12-01T02:00', nowMs), new Date(2026, 11, 1, 2, 0).getTime())
  t.equal(parseTime('2026-12-01T02:00Z', nowMs), Date.UTC(2026, 11, 1, 2, 0))
  for (const text of ['', 'soon', '25:00', '12:60', '2026-12-01', '2026-13-01T02:00', '+', '+x']) {
    t.throws(() => parseTime(text, nowMs), refused, text)
  }
  t.throws(() => parseTime('25:00', nowMs), { message: /02:00 or \+30m/ }, 'told as a time, not as a window')
})

t.test('under a key a time is the same whenever it is read', async (t) => {
  const key = { idempotencyKey: 'k' }
  for (const at of ['+30m', '13:30']) t.throws(() => policyFlags({ at, ...key }, nowMs), refused, at)
  const at = '2026-12-01T02:00'
  t.same(policyFlags({ at, ...key }, nowMs), policyFlags({ at, ...key }, nowMs + 90_000_000))
})

t.test('a window may go over midnight, and is never empty', async (t) => {
  t.same(parseWindow('01:00-05:00'), { fromMinute: 60, toMinute: 300 })
  t.same(parseWindow('23:00-1:30'), { fromMinute: 1380, toMinute: 90 })
  for (const text of ['', '01:00', '01:00-01:00', '01:00-24:00', 'a-b', '1-2', '01:00-02:00-03:00', '-1:00-02:00']) {
    t.throws(() => parseWindow(text), refused, text)
  }
})

t.test('a limit and a weight are checked before anything is asked', async (t) => {
  t.same(policyFlags({ bwlimit: '5M', priority: '100' }, nowMs), { bwlimit: '5M', priority: 100 })
  for (const priority of ['0', '101', '1.5', 'high', ''])
    t.throws(() => policyFlags({ priority }, nowMs), refused, priority)
  // A job has no timetable: it is over before the evening.
  for (const bwlimit of ['5', '08:00,5M', '']) t.throws(() => policyFlags({ bwlimit }, nowMs), refused, bwlimit)
})

t.test('flags become a policy; what is not said is left out', async (t) => {
  t.same(policyFlags({}, nowMs), {})
  const flags = { quorum: 'all', commit: 'each', timeout: '10m', onConflict: 'supersede' }
  const wanted = { quorum: 1, commit: 'each', deadlineMs: 600_000, onConflict: 'supersede' }
  t.same(policyFlags(flags, nowMs), wanted)
  for (const wrong of [{ commit: 'maybe' }, { onConflict: 'shout' }, { timeout: 'long' }, { quorum: 'most' }]) {
    t.throws(() => policyFlags(wrong, nowMs), refused)
  }
})

t.test('repairs are named, each once in the order in which they are tried; none is none', async (t) => {
  t.same(parseRepair('restart, resend,restart'), { rungs: ['restart', 'resend'], attemptsMax: 2 })
  t.same(parseRepair('none'), { rungs: [], attemptsMax: 0 })
  t.same(policyFlags({ repair: 'self-check' }, nowMs), { repair: { rungs: ['self-check'], attemptsMax: 1 } })
  for (const text of ['', 'none,resend', 'pray', 'resend,']) t.throws(() => parseRepair(text), refused, text)
})
