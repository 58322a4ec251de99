// Goal: rows of any number are written, each once, and changed where they are there already.
import { join } from 'node:path'
import t from 'tap'
import { Store } from '../../../src/store/store.js'
import { jobNode, jobRecord } from '../../support/records.js'

for (const count of [0, 1, 256, 257, 600]) {
  t.test(`${count} rows are written, then changed`, async (t) => {
    const store = await Store.open(join(t.testdir(), 'engine.db'))
    t.teardown(() => store.close())
    await store.jobs.create(jobRecord({ id: 'j' }))
    const nodes = Array.from({ length: count }, (_, at) => {
      const nodeId = String(at).padStart(32, '0')
      return jobNode({ nodeId, name: `n${String(at).padStart(4, '0')}`, state: 'new' })
    })
    await store.jobNodes.put('j', nodes)
    t.same(await store.jobNodes.list('j'), nodes)
    const changed = nodes.map((node) => ({ ...node, state: 'behind' as const, reason: 'gone' }))
    await store.jobNodes.put('j', changed.slice(1))
    t.same(await store.jobNodes.list('j'), [...nodes.slice(0, 1), ...changed.slice(1)])
  })
}
