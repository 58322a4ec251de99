// Goal: every node is brought to its target in a few steps. Method: each case by hand; then a node that does
// what it is told, from any holdings and with any kept assignments, must arrive.
import fc from 'fast-check'
import t from 'tap'
import type { NodeSite, ReleaseRef } from '../../../src/model/node.js'
import {
  type KeptAssignment,
  type LastFailure,
  type Order,
  reconcile,
  type ReconcileAction,
  type Situation,
} from '../../../src/track/reconcile.js'

const release = (number: number): ReleaseRef => ({ release: number, treeHash: String(number).repeat(64).slice(0, 64) })
const held = (live: number | null, ...others: number[]): NodeSite => ({
  site: 'www',
  live: live === null ? null : release(live),
  held: others.map(release),
})
const situation = (of: Partial<Situation>): Situation => ({
  target: release(5),
  holdings: held(null),
  assignments: [],
  switchNow: true,
  wholeOnly: false,
  repair: true,
  underWay: null,
  lastFailure: null,
  ...of,
})
const whole: KeptAssignment = { id: 'whole', release: release(5), base: null }
const delta: KeptAssignment = { id: 'delta', release: release(5), base: release(4) }

t.test('who serves the target, or has none, is left alone', async (t) => {
  t.equal(reconcile(situation({ holdings: held(5) }), 0).do, 'nothing')
  t.equal(reconcile(situation({ target: null }), 0).do, 'nothing')
})

t.test('who holds the target is told to switch', async (t) => {
  t.match(reconcile(situation({ holdings: held(4, 5), assignments: [delta] }), 0), {
    do: 'commit',
    release: release(5),
  })
})

t.test('a difference is sent to who has its base, the whole to who has not', async (t) => {
  t.match(reconcile(situation({ holdings: held(4), assignments: [whole, delta] }), 0), {
    do: 'stage',
    assignmentId: 'delta',
  })
  t.match(reconcile(situation({ holdings: held(3), assignments: [whole, delta] }), 0), {
    do: 'stage',
    assignmentId: 'whole',
  })
  t.match(reconcile(situation({ holdings: held(3), assignments: [delta] }), 0), { do: 'replicate' })
})

t.test('the same number with another tree is another release', async (t) => {
  const other = { release: 5, treeHash: 'f'.repeat(64) }
  t.equal(reconcile(situation({ holdings: { site: 'www', live: other, held: [] } }), 0).do, 'replicate')
})

t.test('a node is told one thing at a time', async (t) => {
  const told = (kind: Order['kind']): Order => ({ kind, release: release(5) })
  t.match(reconcile(situation({ underWay: told('stage') }), 0), { do: 'wait', reason: /stage/ })
  const holdings = held(4, 5)
  t.match(reconcile(situation({ underWay: told('commit'), holdings }), 0), { do: 'wait', reason: /commit/ })
})

t.test('an order for another release that is never answered holds up nothing', async (t) => {
  for (const kind of ['stage', 'commit'] as const) {
    const underWay = { kind, release: release(6) }
    t.match(reconcile(situation({ underWay, holdings: held(4, 5) }), 0), { do: 'commit', release: release(5) })
    t.match(reconcile(situation({ underWay, assignments: [whole] }), 0), { do: 'stage', assignmentId: 'whole' })
    t.equal(reconcile(situation({ underWay }), 0).do, 'replicate')
  }
})

t.test('who was told to switch away from the target, and has not answered, is told to switch back', async (t) => {
  const underWay = { kind: 'commit', release: release(6) } as const
  t.equal(reconcile(situation({ underWay, holdings: held(5, 6) }), 0).do, 'commit')
  t.equal(reconcile(situation({ underWay: { ...underWay, kind: 'stage' }, holdings: held(5) }), 0).do, 'nothing')
})

t.test('who holds the target is told to switch although it did not say that it has staged it', async (t) => {
  const underWay = { kind: 'stage', release: release(5) } as const
  t.equal(reconcile(situation({ underWay, holdings: held(4, 5) }), 0).do, 'commit')
})

t.test('before the decision a target is staged and held, not switched to', async (t) => {
  t.equal(reconcile(situation({ switchNow: false, holdings: held(4, 5) }), 0).do, 'hold')
  t.equal(reconcile(situation({ switchNow: false, holdings: held(4), assignments: [delta] }), 0).do, 'stage')
})

t.test('a node on which a difference failed gets the whole', async (t) => {
  const of = situation({ wholeOnly: true, holdings: held(4), assignments: [delta, whole] })
  t.match(reconcile(of, 0), { do: 'stage', assignmentId: 'whole' })
  t.match(reconcile({ ...of, assignments: [delta] }, 0), { do: 'replicate' })
})

t.test('a failure is tried again later, one that would repeat is not, and a new target is', async (t) => {
  const lastFailure = { release: release(5), message: 'no space left', retryable: true, retryAtMs: 100 }
  t.match(reconcile(situation({ lastFailure }), 99), { do: 'wait', reason: 'no space left', untilMs: 100 })
  t.equal(reconcile(situation({ lastFailure }), 100).do, 'replicate')
  t.match(reconcile(situation({ lastFailure: { ...lastFailure, retryable: false } }), 1e9), {
    do: 'wait',
    untilMs: null,
  })
  t.equal(reconcile(situation({ lastFailure: { ...lastFailure, release: release(4) } }), 0).do, 'replicate')
})

t.test('a node that does what it is told arrives, whatever it is at and whatever failed', async (t) => {
  const numbers = fc.integer({ min: 1, max: 6 })
  const order = fc.record({ kind: fc.constantFrom('stage' as const, 'commit' as const), release: numbers.map(release) })
  const failure = fc.record({
    release: numbers.map(release),
    message: fc.constant('it failed'),
    retryable: fc.boolean(),
    retryAtMs: fc.integer({ min: 0, max: 100 }),
  })
  const drawn = fc.record({
    target: numbers,
    live: fc.option(numbers),
    others: fc.uniqueArray(numbers, { maxLength: 3 }),
    kept: fc.array(fc.tuple(numbers, fc.option(numbers)), { maxLength: 4 }),
    underWay: fc.option(order),
    lastFailure: fc.option(failure),
    wholeOnly: fc.boolean(),
  })
  fc.assert(fc.property(drawn, arrives))
  t.pass()
})

interface Start extends Pick<Situation, 'underWay' | 'lastFailure' | 'wholeOnly'> {
  readonly target: number
  readonly live: number | null
  readonly others: readonly number[]
  readonly kept: readonly (readonly [number, number | null])[]
}

/** A node that does what it is told for its target, and answers nothing else. */
class Told {
  readonly #start: Start
  readonly #target: ReleaseRef
  #holdings: NodeSite
  #assignments: readonly KeptAssignment[]
  #underWay: Order | null
  #nowMs = 0

  constructor(start: Start) {
    const { target, live, others, kept, underWay } = start
    this.#start = start
    this.#target = release(target)
    this.#holdings = held(live, ...others)
    this.#underWay = underWay
    this.#assignments = kept.map(([made, base], at) => ({
      ...{ id: String(at), release: release(made), base: base === null ? null : release(base) },
    }))
  }

  next(): ReconcileAction {
    const { lastFailure, wholeOnly } = this.#start
    const facts = { target: this.#target, holdings: this.#holdings, assignments: this.#assignments }
    return reconcile(situation({ ...facts, underWay: this.#underWay, lastFailure, wholeOnly }), this.#nowMs)
  }

  /** @returns whether it got further. */
  follow(action: ReconcileAction): boolean {
    if (action.do === 'wait') return this.#wait(action.untilMs)
    if (action.do === 'stage' || action.do === 'commit') this.#perform({ kind: action.do, release: action.release })
    if (action.do !== 'replicate') return true
    this.#assignments = [...this.#assignments, { id: 'new', release: action.release, base: null }]
    return true
  }

  #wait(untilMs: number | null): boolean {
    if (untilMs !== null) this.#nowMs = untilMs
    else if (this.#underWay?.release.release === this.#target.release) this.#perform(this.#underWay)
    else return false
    return true
  }

  #perform({ kind, release: ref }: Order): void {
    const { site, live, held: others } = this.#holdings
    this.#holdings = { site, live: kind === 'commit' ? ref : live, held: [...others, ref] }
    this.#underWay = null
  }
}

/** At most it waits twice, is packed for, told to stage, told to switch; a failure for good may hold it up. */
function arrives(start: Start): boolean {
  const node = new Told(start)
  for (let step = 0; step < 6; step++) {
    const action = node.next()
    if (action.do === 'nothing') return true
    if (!node.follow(action)) return start.lastFailure?.retryable === false && isAbout(start.lastFailure, start.target)
  }
  return false
}

function isAbout({ release: ref }: LastFailure, target: number): boolean {
  return ref.release === target
}

t.test('what is damaged is brought anew, whole, and by itself only where that is wanted', async (t) => {
  const damaged = [{ ...release(5), live: true, mend: false }]
  const holdings = { ...held(null, 4), damaged }
  const of = { holdings, assignments: [delta, whole] }
  t.match(reconcile(situation(of), 0), { do: 'stage', assignmentId: 'whole' })
  t.match(reconcile(situation({ ...of, repair: false }), 0), { do: 'wait', untilMs: null })
  const asked = { ...holdings, damaged: [{ ...release(5), live: true, mend: true }] }
  t.match(reconcile(situation({ ...of, holdings: asked, repair: false }), 0), { do: 'stage', assignmentId: 'whole' })
  const other = { ...held(4), damaged: [{ ...release(3), live: false, mend: false }] }
  t.match(reconcile(situation({ ...of, holdings: other, repair: false }), 0), { do: 'stage', assignmentId: 'whole' })
})
