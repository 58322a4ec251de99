// Goal: a plan is told what befell its members, once, whoever looks at them.
// Method: members that the test moves, at times that it names.
import t from 'tap'
import { NODE_SILENT_MS, NODE_STALLED_MS } from '../../../src/base/limits.js'
import { ALONE_MS } from '../../../src/base/word-limits.js'
import { Attending, type MemberStanding } from '../../../src/plan/attending.js'

const [courses, woven] = [{ givesTurns: true }, { givesTurns: false }]
const begun: MemberStanding = {
  state: null,
  bytesHave: 0,
  isFetching: true,
  mayMove: true,
  hasFailed: false,
  goneSinceMs: null,
}

/** Looks at one member. @returns what is told of it; null: nothing. */
function attend(plan: { readonly givesTurns: boolean }) {
  const attending = new Attending(plan)
  return (nowMs: number, change: Partial<MemberStanding> | null) => {
    const told = attending.look(nowMs, [['a', change === null ? null : { ...begun, ...change }]])
    return told.length === 0 ? null : told.map(({ type }) => type).join()
  }
}

t.test('that a member has something, and then everything, is told once each', async (t) => {
  const look = attend(courses)
  t.equal(look(0, {}), null)
  t.equal(look(250, { state: 'ready', bytesHave: 1 }), 'ready')
  t.equal(look(500, { state: 'ready', bytesHave: 2 }), null)
  t.equal(look(750, { state: 'finished', bytesHave: 3 }), 'finished')
  t.equal(look(1000, { state: 'finished', bytesHave: 3 }), null)
  t.equal(look(1250, { state: 'ready', bytesHave: 1 }), null, 'who has finished stays so')
})

t.test('who had everything at its first look is told of as one that has', async (t) => {
  t.equal(attend(courses)(0, { state: 'finished' }), 'finished')
})

t.test('a plan in which nobody waits for a turn hears of those alone who are gone', async (t) => {
  const look = attend(woven)
  t.equal(look(0, { state: 'ready' }), null)
  t.equal(look(250, { state: 'finished' }), null)
  t.equal(look(500, { hasFailed: true }), null)
  t.equal(look(NODE_STALLED_MS + 501, {}), null)
  t.equal(look(NODE_STALLED_MS + NODE_SILENT_MS, { goneSinceMs: NODE_STALLED_MS }), null)
  t.equal(look(NODE_STALLED_MS + NODE_SILENT_MS + 1, { goneSinceMs: NODE_STALLED_MS }), 'left')
})

t.test('where turns are given, three seconds are enough, and who is back is told of anew', async (t) => {
  const look = attend(courses)
  t.equal(look(0, { state: 'ready' }), 'ready')
  t.equal(look(ALONE_MS, { goneSinceMs: 0 }), null)
  t.equal(look(ALONE_MS + 1, { goneSinceMs: 0 }), 'left')
  t.equal(look(ALONE_MS + 2, { state: 'ready' }), 'ready')
})

t.test('who takes part no more, or has failed, is out at once', async (t) => {
  t.equal(attend(courses)(0, null), 'left')
  t.equal(attend(woven)(0, null), 'left')
  t.equal(attend(courses)(0, { hasFailed: true }), 'left')
})

t.test('who has finished is out when it is gone, not when it has failed at something since', async (t) => {
  const look = attend(courses)
  t.equal(look(0, { state: 'finished' }), 'finished')
  t.equal(look(250, { state: 'finished', hasFailed: true }), null)
  t.equal(look(NODE_STALLED_MS * 2, { state: 'finished' }), null)
  t.equal(look(NODE_STALLED_MS * 3, { goneSinceMs: 0 }), 'left')
})

t.test('who gets nothing although it may is out after two minutes; who waits or moves is not', async (t) => {
  const late = NODE_STALLED_MS + 1
  const stalled = attend(courses)
  t.equal(stalled(0, {}), null)
  t.equal(stalled(late - 1, {}), null)
  t.equal(stalled(late, {}), 'left')
  const waiting = attend(courses)
  t.equal(waiting(0, { mayMove: false }), null)
  t.equal(waiting(late, { mayMove: false }), null)
  t.equal(waiting(late + 1, {}), null, 'its time begins with its turn')
  t.equal(waiting(2 * late, {}), 'left')
  const moving = attend(courses)
  t.equal(moving(0, {}), null)
  t.equal(moving(late, { bytesHave: 1 }), null)
  t.equal(moving(2 * late, { bytesHave: 1 }), 'left')
  const idle = attend(courses)
  t.equal(idle(0, {}), null)
  t.equal(idle(late, { bytesHave: 1, isFetching: false }), 'left', 'what it had of another is not what moves')
})
