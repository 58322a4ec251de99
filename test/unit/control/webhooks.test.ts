// Goal: webhooks and the event stream of the fleet over HTTP: every route, what is refused, resuming where one stood.
// Method: a listening server over a coordinator that only remembers, asked by the client and by bare requests.
import t from 'tap'
import { Client } from '../../../src/control/client.js'
import type { CloudEvent } from '../../../src/model/fleet-event.js'
import { serve } from '../../support/control.js'
import { until } from '../../support/until.js'

const url = 'https://a.test/hook'

t.test('every method of the client has its route', async (t) => {
  const { server, door } = await serve(t)
  const { webhooks } = new Client({ url: server.url })
  const { webhook, secret } = await webhooks.add({ url, types: ['job.*'], site: 'www' })
  t.match(webhook, { id: 'w1', url, types: ['job.*'], site: 'www', offAtMs: null })
  t.equal(secret, 'whsec_made')
  t.strictSame(door.webhooks.added, [{ url, types: ['job.*'], site: 'www', secret: null, allowPrivate: false }])
  t.match(await webhooks.list(), [{ id: 'w1' }])
  t.match(await webhooks.rotate('w1'), { secret: 'whsec_new' })
  t.match(await webhooks.rotate('w1', 'whsec_mine'), { secret: 'whsec_mine' })
  t.match(await webhooks.deliveries('w1'), [{ id: 'w1_1', state: 'delivered', lastStatus: 200 }])
  t.match(await webhooks.resend('w1', 'w1_1'), { id: 'w1_1' })
  t.match(await webhooks.ping('w1'), { webhookId: 'w1' })
  t.strictSame(door.webhooks.calls, ['resend w1 w1_1', 'ping w1'])
  await webhooks.remove('w1')
  t.same(await webhooks.list(), [])
  const unknown = { code: 'ENGINE_ERR_WEBHOOK_UNKNOWN' }
  await t.rejects(webhooks.remove('w1'), unknown)
  await t.rejects(webhooks.deliveries('w1'), unknown)
  await t.rejects(webhooks.rotate('w1'), unknown)
  await t.rejects(webhooks.ping('w1'), unknown)
})

t.test('what is made is answered with 201 and its place, what is removed with 204', async (t) => {
  const { server } = await serve(t)
  const body = JSON.stringify({ url })
  const headers = { 'content-type': 'application/json' }
  const made = await fetch(`${server.url}/v1/webhooks`, { method: 'POST', headers, body })
  t.equal(made.status, 201)
  t.equal(made.headers.get('location'), '/v1/webhooks/w1')
  t.equal((await fetch(`${server.url}/v1/webhooks/w1`, { method: 'DELETE' })).status, 204)
  t.equal((await fetch(`${server.url}/v1/webhooks/w1`, { method: 'DELETE' })).status, 404)
})

t.test('bad requests are refused by name of the field, and nobody hears of them', async (t) => {
  const { server, door } = await serve(t)
  const bodies: readonly [unknown, RegExp][] = [
    [{}, /url/],
    [{ url: 7 }, /url/],
    [{ url, types: [] }, /types/],
    [{ url, types: ['jobs.*'] }, /types/],
    [{ url, types: Array.from({ length: 33 }, () => '*') }, /types/],
    [{ url, site: '../x' }, /site/],
    [{ url, secret: 'x'.repeat(300) }, /secret/],
    [{ url, allowPrivate: 'yes' }, /allowPrivate/],
    [{ url, ownerr: 1 }, /ownerr/],
    [{ url: `https://a/${'x'.repeat(3000)}` }, /url/],
    [null, /body/],
    [[], /body/],
  ]
  for (const [body, field] of bodies) {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${server.url}/v1/webhooks`, { method: 'POST', headers, body: JSON.stringify(body) })
    t.equal(answer.status, 400, JSON.stringify(body).slice(0, 60))
    t.match(await answer.text(), field)
  }
  for (const path of ['types=jobs.*', 'types=', 'since=-1', 'since=x', 'since=1e99', 'site=www']) {
    t.equal((await fetch(`${server.url}/v1/events?${path}`)).status, 400, path)
  }
  t.equal((await fetch(`${server.url}/v1/events`, { headers: { 'last-event-id': '1; drop' } })).status, 400)
  t.same(door.webhooks.added, [])
})

/** Reads from a stream until what came fits. */
async function readUntil(answer: Response, fits: (text: string) => boolean): Promise<string> {
  const reader = answer.body!.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!fits(text)) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return text
}

t.test('the stream names its events, filters them, and resumes after the id that a browser sends', async (t) => {
  const { server, door } = await serve(t)
  for (const type of ['engine.job.queued', 'engine.node.lost', 'engine.job.failed']) door.announce(type)
  const all = await readUntil(await fetch(`${server.url}/v1/events?since=0`), (text) => text.includes('id: 3'))
  t.match(all, /id: 1\nevent: engine\.job\.queued\ndata: \{"specversion":"1\.0"/)
  const jobs = await fetch(`${server.url}/v1/events?since=0&types=job.*`)
  t.equal(jobs.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.notMatch(await readUntil(jobs, (text) => text.includes('id: 3')), /node\.lost/)
  const headers = { 'last-event-id': '2' }
  const rest = await readUntil(await fetch(`${server.url}/v1/events?since=0`, { headers }), (text) =>
    text.includes('id: 3'),
  )
  t.notMatch(rest, /id: 1\n/)
  const fresh = await fetch(`${server.url}/v1/events`)
  door.announce('engine.node.joined')
  const now = await readUntil(fresh, (text) => text.includes('id: 4'))
  t.match(now, /^retry: \d+\n\n: since 3\nid: 3\n\nid: 4\n/, 'without a place it begins now, and says where that is')
  await until('the readers are gone', () => door.watchers === 0)
})

t.test(
  'a reader of the client misses nothing when the coordinator restarts, also before its first event',
  async (t) => {
    const served = await serve(t)
    const { door, server } = served
    const { port } = server.address
    const stop = new AbortController()
    const seen: string[] = []
    const reading = (async () => {
      const client = new Client({ url: server.url })
      for await (const event of client.events({ types: ['job.*'], signal: stop.signal })) seen.push(event.id)
    })()
    await until('it reads', () => door.watchers === 1)
    await server.close()
    door.announce('engine.job.queued')
    door.announce('engine.node.lost')
    const again = await serve(t, { port, door })
    await until('what happened meanwhile is there', () => seen.length === 1)
    door.announce('engine.job.failed')
    await until('and what happens now', () => seen.length === 2)
    t.same(seen, ['1', '3'])
    stop.abort()
    await reading
    await again.server.close()
  },
)

t.test('a reader that asks for what does not exist is told so at once', async (t) => {
  const { server } = await serve(t)
  const read = async (): Promise<CloudEvent[]> => {
    const events: CloudEvent[] = []
    for await (const event of new Client({ url: server.url }).events({ types: ['jobs.*'] })) events.push(event)
    return events
  }
  await t.rejects(read(), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /there are engine\.job\.queued/ })
})
