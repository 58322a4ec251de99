// Goal: a release goes live when enough nodes hold it, nobody holds the site and nobody has stopped the job; then
// everyone gets there, and nobody before. Method: nodes that stage, fail, vanish and return, holds, aborts and attempts
// to commit in any order: the machine's parts (jobs, track) together, against sets of nodes.
import fc from 'fast-check'
import t from 'tap'
import { EngineError } from '../../src/base/errors.js'
import { checkHold } from '../../src/jobs/hold.js'
import { checkAbort, checkStop, type JobFacts, stepJob } from '../../src/jobs/job.js'
import { judgeQuorum } from '../../src/jobs/quorum.js'
import type { NodeSite, ReleaseRef } from '../../src/model/node.js'
import type { Hold } from '../../src/model/site.js'
import { foldPart, markBehind, markReturned, newPart, type NodePart } from '../../src/track/fold.js'
import { isSame, reconcile } from '../../src/track/reconcile.js'
import { jobRecord } from '../support/records.js'

const old: ReleaseRef = { release: 1, treeHash: 'a'.repeat(64) }
const made: ReleaseRef = { release: 2, treeHash: 'b'.repeat(64) }
const whole = { id: 'whole', release: made, base: null }

/** Who is where, as sets of nodes. */
interface Model {
  readonly size: number
  readonly quorum: number
  readonly holding: Set<number>
  /** Failed, and not made good since. */
  readonly failed: Set<number>
  /** Nobody waits for it. */
  readonly given: Set<number>
  readonly switched: Set<number>
  heldUntilMs: number | null
  nowMs: number
  isStopped: boolean
  isDecided: boolean
}

interface Real {
  job: JobFacts
  hold: Hold | null
  target: ReleaseRef
  stop: EngineError | null
  readonly parts: NodePart[]
  readonly holdings: NodeSite[]
}

type Step = fc.Command<Model, Real>

/** A step on one node, as the coordinator comes to know of it. */
class OnNode implements Step {
  readonly node: number
  readonly what: 'stage' | 'fail' | 'vanish' | 'return' | 'report again'

  constructor(node: number, what: OnNode['what']) {
    this.node = node
    this.what = what
  }

  check = ({ size }: Readonly<Model>): boolean => this.node < size

  run(model: Model, real: Real): void {
    const part = real.parts[this.node]
    if (part === undefined) throw new Error('there is no such node')
    if (this.what === 'stage') take(real, this.node)
    real.parts[this.node] = this.#told(part, model.holding.has(this.node))
    this.#follow(model)
    same(model, real)
  }

  #told(part: NodePart, isHolding: boolean): NodePart {
    const error = { code: 'ENGINE_ERR_IO', message: 'no', hint: 'none' }
    const progress = { type: 'progress', bytesHave: 1, rateBps: 1 } as const
    switch (this.what) {
      case 'stage':
        return foldPart(part, { type: 'staged' })
      case 'fail':
        return foldPart(part, { type: 'failed', command: 'publish', error })
      case 'vanish':
        return part.state === 'live' ? part : markBehind(part, 'silent')
      case 'return':
        return markReturned(part)
      case 'report again':
        return foldPart(isHolding ? foldPart(part, { type: 'staged' }) : part, progress)
    }
  }

  #follow({ holding, failed, given, switched }: Model): void {
    const { node, what } = this
    if (what === 'vanish') {
      if (switched.has(node)) return
      // What it holds counts again when it says so.
      given.add(node)
      holding.delete(node)
      failed.delete(node)
      return
    }
    given.delete(node)
    if (what === 'stage') {
      holding.add(node)
      failed.delete(node)
    }
    if (what === 'fail' && !holding.has(node)) failed.add(node)
  }

  toString = (): string => `n${this.node}: ${this.what}`
}

class Holds implements Step {
  readonly untilMs: number | null

  constructor(untilMs: number | null) {
    this.untilMs = untilMs
  }

  check = (): boolean => true

  run(model: Model, real: Real): void {
    model.heldUntilMs = this.untilMs ?? Number.POSITIVE_INFINITY
    real.hold = { reason: 'so', untilMs: this.untilMs }
  }

  toString = (): string => `hold until ${this.untilMs}`
}

const resumes: Step = {
  check: ({ heldUntilMs }) => heldUntilMs !== null,
  run(model, real) {
    model.heldUntilMs = null
    real.hold = null
  },
  toString: () => 'resume',
}

const waits: Step = {
  check: () => true,
  run(model) {
    model.nowMs += 10
  },
  toString: () => 'wait',
}

const aborts: Step = {
  check: () => true,
  run(model, real) {
    const isTaken = succeeds(() => checkAbort(real.job))
    if (isTaken === model.isDecided) throw new Error(`an abort was ${isTaken ? 'taken' : 'refused'}`)
    if (!isTaken) return
    model.isStopped = true
    real.stop ??= new EngineError('ENGINE_ERR_JOB_ABORTED', { jobId: 'j' })
  },
  toString: () => 'abort',
}

/** Enough hold it of those that are asked, nobody is waited for, nothing keeps the site, nobody has stopped it. */
function mayDecide({ size, quorum, holding, failed, given, heldUntilMs, nowMs, isStopped, isDecided }: Model): boolean {
  const all = Array.from({ length: size }, (_, node) => node)
  const out = all.filter((node) => given.has(node) || failed.has(node)).length
  const ready = all.filter((node) => holding.has(node) && !given.has(node)).length
  const isEnough = ready > 0 && ready >= quorum * size && ready + out === size
  return isEnough && !(heldUntilMs !== null && heldUntilMs > nowMs) && !isStopped && !isDecided
}

const commits: Step = {
  check: ({ isDecided }) => !isDecided,
  run(model, real) {
    const states = real.parts.map(({ state }) => state)
    const isTaken = succeeds(() => {
      if (judgeQuorum(states, model.quorum).verdict !== 'reached') throw new EngineError('ENGINE_ERR_QUORUM')
      checkHold('www', real.hold, model.nowMs)
      const step = { type: 'decided' } as const
      real.job = stepJob(real.job, real.stop === null ? step : checkStop(real.job, step, real.stop), 9)
    })
    const told = mayDecide(model)
    if (isTaken !== told) throw new Error(`it was ${isTaken ? '' : 'not '}decided with ${states.join(' ')}`)
    if (!isTaken) return
    model.isDecided = true
    real.target = made
  },
  toString: () => 'commit',
}

function take({ holdings }: Real, node: number): void {
  const before = holdings[node] ?? { site: 'www', live: null, held: [] }
  holdings[node] = { ...before, held: [...before.held.filter((each) => !isSame(each, made)), made] }
}

/** One step of a node; true: nothing is left to be done. */
function isArrived({ isDecided, nowMs }: Model, real: Real, node: number): boolean {
  const holdings = real.holdings[node] ?? { site: 'www', live: null, held: [] }
  const facts = { wholeOnly: false, repair: true, underWay: null, lastFailure: null, assignments: [whole] }
  const target = isDecided ? real.target : made
  const action = reconcile({ target, holdings, switchNow: isDecided, ...facts }, nowMs)
  if (action.do === 'nothing' || action.do === 'hold') return true
  if (action.do === 'stage') take(real, node)
  else if (action.do === 'commit') real.holdings[node] = { ...holdings, live: action.release }
  else throw new Error(`n${node} is told to ${action.do}`)
  return false
}

/** Brings a node to what it should serve, as far as the coordinator would. */
class Steers implements Step {
  readonly node: number

  constructor(node: number) {
    this.node = node
  }

  check = ({ size, given }: Readonly<Model>): boolean => this.node < size && !given.has(this.node)

  run(model: Model, real: Real): void {
    const { node } = this
    let steps = 0
    while (!isArrived(model, real, node)) {
      if (++steps > 3) throw new Error(`n${node} gets nowhere`)
    }
    const isLive = isSame(real.holdings[node]?.live ?? null, made)
    real.parts[node] = foldPart(real.parts[node] as NodePart, { type: isLive ? 'live' : 'staged' })
    model.holding.add(node)
    model.failed.delete(node)
    if (model.isDecided) model.switched.add(node)
    same(model, real)
  }

  toString = (): string => `steer n${this.node}`
}

function succeeds(run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    return false
  }
}

function same({ size, isDecided, switched }: Model, { parts, holdings, job }: Real): void {
  if ((job.state === 'committing') !== isDecided) throw new Error(`the job is ${job.state}`)
  for (let node = 0; node < size; node++) {
    const isLive = isSame(holdings[node]?.live ?? null, made)
    if (isLive !== switched.has(node)) throw new Error(`n${node} ${isLive ? 'has' : 'has not'} switched`)
    if (parts[node]?.state === 'live' && !isLive) throw new Error(`n${node} counts as live`)
  }
}

const NODES_MAX = 5
const node = fc.nat(NODES_MAX - 1)
const happenings = fc.constantFrom<OnNode['what']>('stage', 'stage', 'fail', 'vanish', 'return', 'report again')
const steps = [
  fc.tuple(node, happenings).map(([at, what]): Step => new OnNode(at, what)),
  fc.tuple(node, happenings).map(([at, what]): Step => new OnNode(at, what)),
  node.map((at): Step => new Steers(at)),
  node.map((at): Step => new Steers(at)),
  fc.constantFrom<Step>(commits, commits, resumes, waits),
  fc.oneof(
    { arbitrary: fc.constant<Step>(aborts), weight: 1 },
    { arbitrary: fc.option(fc.nat(20).map((tens) => tens * 10)).map((untilMs): Step => new Holds(untilMs)), weight: 4 },
    { arbitrary: fc.constant<Step>(commits), weight: 40 },
  ),
]

t.test('nothing is live before its time, all of it after, whoever comes, goes, holds or aborts', async () => {
  let decisions = 0
  const property = fc.property(
    fc.integer({ min: 1, max: NODES_MAX }),
    fc.constantFrom(0, 0.5, 0.8, 1),
    fc.commands(steps, { maxCommands: 60, size: 'max' }),
    (size, quorum, commands) => {
      const all = Array.from({ length: size }, (_, at) => at)
      const { treeHash: _treeHash, ...record } = jobRecord({ state: 'staged', release: 2 })
      const sets = { holding: new Set<number>(), failed: new Set<number>(), given: new Set<number>() }
      const model: Model = {
        ...{ size, quorum, ...sets, switched: new Set() },
        ...{ heldUntilMs: null, nowMs: 0, isStopped: false, isDecided: false },
      }
      const real: Real = {
        ...{ job: record, hold: null, target: old, stop: null },
        parts: all.map((at) => newPart({ id: `n${at}`, name: `n${at}`, segment: 'lan' })),
        holdings: all.map(() => ({ site: 'www', live: old, held: [old] })),
      }
      fc.modelRun(() => ({ model, real }), commands)
      if (model.isDecided) decisions += 1
    },
  )
  fc.assert(property, { numRuns: 2000 })
  t.ok(decisions > 100, `${decisions} of 2,000 were decided`)
})
