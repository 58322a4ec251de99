// Goal: damage that a node tells of is counted, shown, and mended whole, as the coordinator is configured.
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { takeDrift, whyDamaged } from '../../../src/coordinator/drifting.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import type { Verification } from '../../../src/model/verification.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'

const ref = { release: 4, treeHash: 'd'.repeat(64) }
const found: Verification = {
  ...{ site: 'www', ...ref, files: 2, bytes: 9, mismatches: 1, findings: [{ path: 'a', kind: 'content' }] },
  ...{ linkIsRight: true, alsoDamaged: [], mended: 'none' },
}

const place = (repair: boolean, mend: boolean) => {
  const counted: unknown[] = []
  const packed: unknown[] = []
  const heard: FromCoordinator[] = []
  const damaged = [{ ...ref, live: true, mend }]
  const base = { release: 3, treeHash: 'c'.repeat(64) }
  const known = new KnownNode(nodeIdentity(), [{ site: 'www', live: null, held: [base], damaged }], 1)
  known.link = { send: (message) => void heard.push(message), close: () => {} }
  const record = { site: 'www', group: 'edge', only: null, target: { ...ref, jobId: 'j', command: 'commit' } }
  const world = {
    ...{ clock: new ManualClock(), log: silentLogger, jobs: new Map(), closing: new AbortController().signal, repair },
    sites: new Map([['www', { record, assignments: [{ id: 'delta', release: ref, base, record: {} }] }]]),
    wholes: { ask: (site: string, release: unknown) => void packed.push([site, release]) },
    metrics: { add: (...all: unknown[]) => void counted.push(all) },
  } as unknown as World
  return { world, known, counted, packed, heard }
}

t.test('it is counted, and the node shows what differs until it has it no more', async (t) => {
  const { world, known, counted } = place(true, false)
  takeDrift(world, known, { type: 'drift', found })
  t.strictSame(counted, [['engine_verify_mismatches_total', { site: 'www', group: 'edge' }, 1]])
  t.equal(whyDamaged(known, 'www'), 'www@4 is damaged there: 1 entry differs (a content)')
  known.setHoldings({ site: 'www', live: ref, held: [ref] })
  t.equal(whyDamaged(known, 'www'), null)
  t.equal(known.task('www').drift, null)
})

t.test('a whole copy is packed for it, though a difference would fit: its base may share what went bad', async (t) => {
  const { world, known, packed, heard } = place(true, false)
  takeDrift(world, known, { type: 'drift', found })
  t.strictSame(packed, [['www', ref]])
  t.strictSame(heard, [])
})

t.test('where it is not to be mended without being asked, it is mended when it is asked for', async (t) => {
  const idle = place(false, false)
  takeDrift(idle.world, idle.known, { type: 'drift', found })
  t.strictSame(idle.packed, [])
  const asked = place(false, true)
  takeDrift(asked.world, asked.known, { type: 'drift', found })
  t.strictSame(asked.packed, [['www', ref]])
})

t.test('damage of a site that the coordinator does not have is not counted', async (t) => {
  const { world, known, counted } = place(true, false)
  takeDrift(world, known, { type: 'drift', found: { ...found, site: 'other' } })
  t.strictSame(counted, [])
})
