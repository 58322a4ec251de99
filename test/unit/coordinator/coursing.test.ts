// Goal: a plan hears what becomes of its nodes, and nodes hear when their turn has come.
// Method: a real plan, nodes that are moved by hand, a clock that the test drives.
import t from 'tap'
import { NODE_STALLED_MS } from '../../../src/base/limits.js'
import { ALONE_MS } from '../../../src/base/word-limits.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { Coursing } from '../../../src/coordinator/coursing.js'
import { type KnownNode, Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { type HandedName, isWaiting, type PlanEvent } from '../../../src/model/plan.js'
import { startPlanning } from '../../../src/plan/index.js'
import { ManualClock } from '../../support/manual-clock.js'

const source = { nodeId: 'f'.repeat(32), host: '127.0.0.1', port: 1 }
const release = { release: 1, treeHash: 'b'.repeat(64) }
const idOf = (name: string): string => name.repeat(32)

/** Nodes `a` … that are to fetch an assignment, one at a time each. */
function place(strategy: HandedName, names: string) {
  const [clock, roster, heard] = [new ManualClock(), new Roster(), new Map<string, FromCoordinator[]>()]
  for (const name of names) {
    const node = { id: idOf(name), name, groups: ['edge'], segment: 'lan', dataAddress: { host: '127.0.0.1', port: 1 } }
    const known = roster.admit(node, [], 1)
    known.link = { send: (message) => void heard.set(name, [...(heard.get(name) ?? []), message]), close: () => {} }
    known.heard(clock)
    const order = { kind: 'stage', commandId: 's', assignmentId: 'x', isDelta: false, toldAtMs: 0 } as const
    known.task('www').underWay = { ...order, release }
  }
  const nodes = roster.all.map(({ identity }) => ({
    nodeId: identity.id,
    ...identity.dataAddress,
    segment: 'lan',
    weight: 1,
  }))
  const planning = startPlanning({ source, nodes, strategy, seed: 1, fanout: 1 })
  const transfer = {
    ...{ assignmentId: 'x', about: { site: 'www', release: 1 }, givesTurns: true },
    find: (nodeId: string) => planning.partOf(nodeId),
    take: (events: readonly PlanEvent[]) => planning.take(events),
    get members() {
      return planning.members
    },
  }
  const world = {
    ...{ clock, roster, openedAtMs: 0, jobs: new Map(), transfers: { all: [transfer], get: () => transfer } },
    sites: new Map([['www', { record: { site: 'www', group: 'edge', only: null }, assignments: [] }]]),
  } as unknown as World
  const coursing = new Coursing(world)
  const look = (): string => {
    coursing.look(false)
    return [...names]
      .map((name) => {
        const part = planning.partOf(idOf(name))
        const first = part?.plan.parents[0]?.[0]?.nodeId[0]
        return part === null ? '' : `${name}${isWaiting(part.plan) ? '-' : first}`
      })
      .join(' ')
  }
  const known = (name: string): KnownNode => roster.get(idOf(name)) as KnownNode
  return { look, known, clock, heard }
}

t.test('of a cascade the next is approached when one has something, and is told so', async (t) => {
  const { look, known, heard } = place('cascade', 'abc')
  t.equal(look(), 'af b- c-')
  known('a').fetched('x', 10)
  t.equal(look(), 'af ba c-')
  t.match(heard.get('b')?.at(-1), {
    type: 'plan',
    assignmentId: 'x',
    plan: { parents: [[{ nodeId: idOf('a') }, source]] },
  })
  t.match(heard.get('c')?.at(-1), { type: 'plan', reserve: { parents: [[{ nodeId: idOf('b') }, {}, source]] } })
  const count = heard.get('b')?.length
  look()
  t.equal(heard.get('b')?.length, count, 'once')
})

t.test('of a hand-out it is when one has said that it has all, or holds the release', async (t) => {
  const { look, known } = place('handout', 'abcd')
  known('a').fetched('x', 10)
  t.equal(look(), 'af b- c- d-')
  known('a').task('www').receive(release)
  t.equal(look(), 'af ba cf d-')
  known('c').task('www').succeed()
  known('c').setHoldings({ site: 'www', live: null, held: [release] })
  t.equal(look(), 'af ba cf dc')
})

t.test('who is away for too long, has failed, or gets nowhere is out, and the next follows', async (t) => {
  const { look, known, clock } = place('handout', 'abcd')
  known('a').lost()
  t.equal(look(), 'af b- c- d-')
  clock.advance(ALONE_MS + 1)
  t.equal(look(), ' bf c- d-')
  const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'full', hint: '' }
  known('b').task('www').fail(release, error, true, clock.monotonicMs())
  t.equal(look(), '  cf d-')
  clock.advance(NODE_STALLED_MS)
  t.equal(look(), '  cf d-')
  clock.advance(NODE_STALLED_MS + 1)
  t.equal(look(), '   df', 'c has had nothing since its turn came; d has only waited')
})
