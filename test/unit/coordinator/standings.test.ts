// Goal: how nodes stand is told of those that serve a site, each change once. Method: by hand, what would be written.
import t from 'tap'
import { Roster } from '../../../src/coordinator/roster.js'
import { NodeStandings } from '../../../src/coordinator/standings.js'
import type { World } from '../../../src/coordinator/world.js'
import type { StandingRecord } from '../../../src/store/standings.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'

t.test(
  'who is in the group and does not serve the site is not behind; who serves it is, whatever its groups',
  async (t) => {
    const [roster, written] = [new Roster(), [] as StandingRecord[]]
    const target = { release: 4, treeHash: 'a'.repeat(64), jobId: 'j', command: 'commit', number: 2, stageNumber: 1 }
    const tables = { standings: { put: async (record: StandingRecord) => void written.push(record) } }
    const world = {
      ...{ roster, clock: new ManualClock(), openedAtMs: 0, jobs: new Map(), background: new Set<Promise<void>>() },
      ...{ closing: new AbortController().signal, announcing: { announce: async () => {}, ring: () => {} } },
      sites: new Map([['www', { record: { site: 'www', group: 'edge', only: ['one'], target }, assignments: [] }]]),
      store: { transaction: (work: (of: typeof tables) => Promise<void>) => work(tables) },
    } as unknown as World
    const one = roster.admit(nodeIdentity({ id: '1', name: 'one', groups: ['core'] }), [], 1)
    const two = roster.admit(nodeIdentity({ id: '2', name: 'two', groups: ['edge'] }), [], 1)
    const standings = new NodeStandings(() => world)
    for (const known of [one, two, one]) {
      standings.look(known)
      await Promise.all(world.background)
    }
    t.same(written, [{ nodeId: '1', site: 'www', standing: 'behind', release: 4 }])
  },
)
