// Goal: nodes are had read over HTTP as in the same process, and what does not fit is refused before it is asked.
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { systemClock } from '../../../src/base/clock.js'
import { Client } from '../../../src/control/client.js'
import { createMetrics } from '../../../src/control/metrics.js'
import { ControlServer } from '../../../src/control/server.js'
import { FakeDoor } from '../../support/fake-door.js'

const place = async (t: { teardown(run: () => unknown): void }) => {
  const door = new FakeDoor()
  const parts = { host: '127.0.0.1', port: 0, log: silentLogger, clock: systemClock, metrics: createMetrics() }
  const server = await ControlServer.open({ door, doorFor: () => door, ...parts })
  t.teardown(() => server.close())
  return { door, url: server.url, client: new Client({ url: server.url }) }
}

t.test('a client asks, waits until every node has answered, and gives what came of it', async (t) => {
  const { door, client } = await place(t)
  const run = await client.verify({ site: 'www', nodes: ['n1'], repair: true })
  t.equal(run.finishedAtMs, 2)
  const asked = { site: 'www', group: null, nodes: ['n1'], release: null, rateBps: null, repair: true }
  t.strictSame(door.calls, [`verify ${JSON.stringify(asked)}`])
})

t.test('who stops waiting is told so', async (t) => {
  const { client } = await place(t)
  const signal = AbortSignal.abort()
  await t.rejects(client.verify({ site: 'www', signal }), { code: 'ENGINE_ERR_CANCELLED' })
})

t.test('what is no request is refused and nobody is asked', async (t) => {
  const { door, url } = await place(t)
  const bodies = [
    {},
    { site: '../etc' },
    { site: 'www', nodes: [] },
    { site: 'www', rateBps: 1 },
    { site: 'www', rateBps: 1e30 },
    { site: 'www', release: 0 },
    { site: 'www', repair: 'yes' },
    { site: 'www', more: 1 },
  ]
  for (const body of bodies) {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/verifications`, { method: 'POST', headers, body: JSON.stringify(body) })
    t.equal(answer.status, 400, JSON.stringify(body))
  }
  t.strictSame(door.calls, [])
  t.equal((await fetch(`${url}/v1/verifications/none`)).status, 404)
})
