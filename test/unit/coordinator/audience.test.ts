// Goal: a site is served by the nodes that it names, else by its group, whoever else there is.
import t from 'tap'
import { nodesOf, requireQuorum, serves } from '../../../src/coordinator/audience.js'
import { Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { NODE_SILENT_MS } from '../../../src/base/limits.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'

const identity = (name: string, groups: readonly string[]) => nodeIdentity({ id: name.repeat(32), name, groups })

function place(): World {
  const roster = new Roster()
  for (const name of ['b', 'a']) roster.admit(identity(name, ['edge']), [], 1)
  roster.admit(identity('c', ['core']), [], 1)
  const sites = new Map([
    ['www', { record: { group: 'edge', only: null } }],
    ['img', { record: { group: 'edge', only: ['c', 'a'] } }],
  ])
  return { roster, sites } as unknown as World
}

t.test('a group is all of its nodes, in the order of names; a list is just those, whatever their groups', async (t) => {
  const world = place()
  const names = (only: readonly string[] | null): readonly string[] =>
    nodesOf(world, { group: 'edge', only }).map((known) => known.identity.name)
  t.same(names(null), ['a', 'b'])
  t.same(names(['c', 'a', 'nobody']), ['a', 'c'])
})

t.test('a node serves the sites that it is among the nodes of, and none that nobody knows', async (t) => {
  const world = place()
  const [a, b, c] = world.roster.all
  const who = (site: string): readonly boolean[] =>
    [a, b, c].map((known) => known !== undefined && serves(world, known, site))
  t.same(who('www'), [true, true, false])
  t.same(who('img'), [true, false, true])
  t.same(who('none'), [false, false, false])
})

t.test('a quorum that nobody can make is refused, once it had the time to come', async (t) => {
  const clock = new ManualClock()
  const world = { ...place(), clock, openedAtMs: 0 }
  const edge = { group: 'edge', only: null }
  t.doesNotThrow(() => requireQuorum(world, edge, 1), 'all may still be on their way')
  clock.advance(NODE_SILENT_MS + 1)
  t.throws(() => requireQuorum(world, edge, 0), { code: 'ENGINE_ERR_QUORUM' })
  world.roster.all[0]?.heard(clock)
  t.doesNotThrow(() => requireQuorum(world, edge, 0.5))
  const one = { code: 'ENGINE_ERR_QUORUM', exitCode: 7, message: /1 of 2 nodes answer, 2 are needed/ }
  t.throws(() => requireQuorum(world, edge, 1), one)
  t.throws(() => requireQuorum(world, { group: 'none', only: null }, 0), { code: 'ENGINE_ERR_GROUP_EMPTY' })
})
