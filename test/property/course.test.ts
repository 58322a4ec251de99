// Goal: by hand-outs and cascades each server is approached exactly once, whoever dies meanwhile. Method: random
// servers, failures and finishes in any order, checked against a model that keeps its own book.
import fc from 'fast-check'
import t from 'tap'
import type { PlanNode } from '../../src/model/plan.js'
import { cascade } from '../../src/plan/strategies/cascade.js'
import { Course, type CourseRule, type CourseStep } from '../../src/plan/strategies/course.js'
import { handout } from '../../src/plan/strategies/handout.js'

const nodeOf = (nodeId: string, weight = 1): PlanNode => ({ nodeId, host: '10.0.0.2', port: 1, segment: 'lan', weight })
const SOURCE = 's'
const SERVERS = 30

const anyMove = fc.record({
  what: fc.constantFrom('ready', 'finished', 'finished', 'failed', 'joined', 'weighed'),
  server: fc.nat(SERVERS - 1).map((at) => `n${at}`),
  weight: fc.constantFrom(0.1, 0.5, 1, 1, 2),
})
const runs = fc.record({
  weights: fc.array(fc.constantFrom(0.1, 0.5, 1, 1, 2), { maxLength: SERVERS }),
  fanout: fc.option(fc.integer({ min: 1, max: 3 })),
  moves: fc.array(anyMove, { maxLength: 120 }),
})

interface Entry {
  by: string | null
  state: 'waiting' | 'approached' | 'ready' | 'finished'
}

/** What the course has said, and what it may say. */
class Book {
  /** Who takes part. */
  readonly alive = new Map<string, Entry>()
  readonly approaches = new Map<string, number>()
  readonly #rule: CourseRule

  constructor(rule: CourseRule) {
    this.#rule = rule
  }

  join(server: string): void {
    if (this.alive.has(server)) return
    this.alive.set(server, { by: null, state: 'waiting' })
    this.approaches.set(server, 0)
  }

  set(server: string, state: 'ready' | 'finished'): void {
    const entry = this.alive.get(server)
    if (entry === undefined || entry.state === 'finished') return
    if (state === 'ready' && entry.state !== 'approached') return
    // It has it from elsewhere: nobody need approach it.
    if (entry.state === 'waiting') this.approaches.set(server, 1)
    entry.state = state
  }

  take(steps: readonly CourseStep[]): void {
    for (const step of steps) {
      const { type, server, target, list } = step
      const entry = this.alive.get(target)
      if (entry === undefined) throw new Error(`${target} is approached and does not take part`)
      if (list.includes(target) || (!this.#rule.deals && list.length > 0)) throw new Error(`a bad list for ${target}`)
      if (server !== SOURCE && !this.alive.has(server)) throw new Error(`${server} serves and is gone`)
      if (type === 'approach') this.#approach(step, entry)
      else if (entry.state === 'waiting' || entry.state === 'finished') throw new Error(`${target} needs no other`)
      entry.by = server
    }
  }

  #approach({ server, target }: CourseStep, entry: Entry): void {
    const mayServe = this.#rule.servesWhen === 'ready' ? ['ready', 'finished'] : ['finished']
    const isAble = server === SOURCE || mayServe.includes(this.alive.get(server)?.state ?? '')
    if (!isAble) throw new Error(`${server} serves and may not yet`)
    if (entry.state !== 'waiting') throw new Error(`${target} is approached again`)
    this.approaches.set(target, (this.approaches.get(target) ?? 0) + 1)
    entry.state = 'approached'
  }

  /** Who waits is on the list of somebody who is there. */
  checkLists(course: Course): void {
    for (const [server, { state }] of this.alive) {
      const holder = course.holderOf(server)
      if (state !== 'waiting') continue
      if (holder === null || (holder !== SOURCE && !this.alive.has(holder))) throw new Error(`${server} is on no list`)
      if (!course.below(holder).includes(server)) throw new Error(`${server} is not on the list of ${holder}`)
    }
  }

  /** Everybody's turn has come, once. */
  checkEnd(): void {
    for (const [server, { state }] of this.alive) {
      const count = this.approaches.get(server)
      if (state !== 'finished') throw new Error(`the turn of ${server} never comes`)
      if (count !== 1) throw new Error(`${server} is approached ${count} times`)
    }
  }

  /** Who is served by somebody that is gone. */
  get orphans(): readonly string[] {
    return [...this.alive]
      .filter(([, { by, state }]) => state !== 'finished' && by !== null && by !== SOURCE && !this.alive.has(by))
      .map(([server]) => server)
  }
}

type Move = { readonly what: string; readonly server: string; readonly weight: number }

function move(course: Course, book: Book, { what, server, weight }: Move): void {
  switch (what) {
    case 'joined':
      book.join(server)
      book.take(course.joined(nodeOf(server, weight)))
      break
    case 'failed':
      book.alive.delete(server)
      book.take(course.failed(server))
      break
    case 'ready':
    case 'finished':
      book.set(server, what)
      book.take(course[what](server))
      break
    default:
      if (book.alive.has(server)) book.take(course.joined(nodeOf(server, weight)))
  }
}

for (const [name, rule] of [
  ['cascade', cascade],
  ['handout', handout],
] as const) {
  t.test(`${name}: each server is approached exactly once, for any order of failures and finishes`, async (t) => {
    fc.assert(
      fc.property(runs, ({ weights, fanout, moves }) => {
        const nodes = weights.map((weight, at) => nodeOf(`n${at}`, weight))
        const book = new Book(rule)
        for (const { nodeId } of nodes) book.join(nodeId)
        const course = new Course(rule, nodeOf(SOURCE), nodes, fanout)
        book.take(course.begin())
        for (const each of moves) {
          move(course, book, each)
          if (book.orphans.length > 0) throw new Error(`${book.orphans.join()} served by somebody who is gone`)
          book.checkLists(course)
        }
        for (let round = 0; round <= 2 * SERVERS; round++) {
          const served = [...book.alive].filter(([, { state }]) => state === 'approached' || state === 'ready')
          for (const [server] of served) move(course, book, { what: 'finished', server, weight: 1 })
        }
        book.checkEnd()
      }),
      { numRuns: 1000 },
    )
    t.pass()
  })

  t.test(`${name}: nobody approaches more at once than its uplink bears`, async (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 40 }), (fanout, count) => {
        const nodes = Array.from({ length: count }, (_, at) => nodeOf(`n${at}`))
        const course = new Course(rule, nodeOf(SOURCE), nodes, fanout)
        const busy = new Map<string, number>()
        const due = [...course.begin()]
        for (let at = 0; at < due.length; at++) {
          const { server, target } = due[at] as CourseStep
          busy.set(server, (busy.get(server) ?? 0) + 1)
          if ((busy.get(server) ?? 0) > fanout) return false
          due.push(...course.ready(target))
        }
        return rule.servesWhen === 'ready' ? due.length === count : due.length === Math.min(fanout, count)
      }),
    )
    t.pass()
  })
}

t.test('a list is dealt by rate, the best first, and an administrator’s order goes before it', async (t) => {
  const nodes = [nodeOf('a', 1), nodeOf('b', 4), { ...nodeOf('c', 1), rank: 0 }, nodeOf('d', 2), nodeOf('e', 1)]
  t.same(new Course(cascade, nodeOf(SOURCE), nodes, 2).begin(), [
    { type: 'approach', server: SOURCE, target: 'c', list: ['d', 'e'] },
    { type: 'approach', server: SOURCE, target: 'b', list: ['a'] },
  ])
})

t.test(
  'the list of who dies in the middle goes back to whoever handed it out, and those it served go on',
  async (t) => {
    const nodes = [...'abcdefg'].map((name) => nodeOf(name))
    const course = new Course(cascade, nodeOf(SOURCE), nodes, 1)
    t.same(course.begin(), [{ type: 'approach', server: SOURCE, target: 'a', list: [...'bcdefg'] }])
    t.same(course.ready('a'), [{ type: 'approach', server: 'a', target: 'b', list: [...'cdefg'] }])
    t.same(course.failed('b'), [{ type: 'approach', server: 'a', target: 'c', list: [...'defg'] }])
    t.same(course.ready('c'), [{ type: 'approach', server: 'c', target: 'd', list: [...'efg'] }])
    t.same(course.failed('c'), [{ type: 'adopt', server: 'a', target: 'd', list: [...'efg'] }])
    t.equal(course.holderOf('e'), 'd')
  },
)

t.test('who turns out to be slow hands its list back at once', async (t) => {
  const course = new Course(
    cascade,
    nodeOf(SOURCE),
    [...'abcdef'].map((name) => nodeOf(name)),
    null,
  )
  t.same(course.begin()[0], { type: 'approach', server: SOURCE, target: 'a', list: ['c', 'e'] })
  course.joined(nodeOf('a', 0.1))
  t.equal(course.holderOf('c'), SOURCE)
  t.same(course.ready('a'), [])
})

t.test(
  'a hand-out gives those that have everything the next of the list, and the source no more than it bears',
  async (t) => {
    const nodes = [...'abcde'].map((name) => nodeOf(name))
    const course = new Course(handout, nodeOf(SOURCE), nodes, 1)
    const said = (steps: readonly CourseStep[]): string => steps.map(({ server, target }) => server + target).join(' ')
    t.equal(said(course.begin()), 'sa')
    t.equal(said(course.ready('a')), '', 'it has not everything')
    t.equal(said(course.finished('a')), 'ab sc')
    t.equal(said(course.failed('a')), 'sb', 'whom it served goes on at the source')
  },
)
