// Goal: what is due goes out, one at a time to each webhook; one that is slow holds up nobody; nothing is lost.
// Method: an outbox in memory, a clock that is pushed, and sends that a test ends by hand.
import t from 'tap'
import { silentLogger } from '../../../../src/base/log.js'
import { noMetrics } from '../../../../src/base/metrics.js'
import { seededRandom } from '../../../../src/base/random.js'
import type { FleetEvent } from '../../../../src/model/fleet-event.js'
import { type Attempt, Deliverer, type Outbox, type Outgoing } from '../../../../src/outside/webhooks/deliverer.js'
import type { Outcome } from '../../../../src/outside/webhooks/schedule.js'
import type { Post } from '../../../../src/outside/webhooks/send.js'
import { ManualClock } from '../../../support/manual-clock.js'
import { until } from '../../../support/until.js'

const ok: Outcome = { type: 'answered', status: 200, retryAfterMs: null, text: '' }
const down: Outcome = { type: 'unanswered', why: 'down' }

interface Kept {
  outgoing: Outgoing
  state: string
  nextAtMs: number | null
}

class MemoryOutbox implements Outbox {
  readonly kept = new Map<string, Kept>()
  readonly recorded: (Attempt & { readonly id: string })[] = []
  /** Thrown by `record`, so often. */
  refusals = 0

  add(webhookId: string, eventId: number, nowMs: number): void {
    const event = { id: eventId, type: 'engine.job.failed', subject: 'jobs/1', site: 'www', atMs: 0, data: {} } as const
    const endpoint = {
      url: `http://${webhookId}.test/`,
      secrets: [],
      allowPrivate: false,
      isOff: false,
      failingSinceMs: null,
    }
    const id = `${webhookId}_${eventId}`
    const outgoing = { id, webhookId, attempts: 0, sinceMs: nowMs, event: event satisfies FleetEvent, endpoint }
    this.kept.set(id, { outgoing, state: 'waiting', nextAtMs: nowMs })
  }

  #waiting(busy: readonly string[]): Kept[] {
    return [...this.kept.values()].filter(
      ({ state, outgoing }) => state === 'waiting' && !busy.includes(outgoing.webhookId),
    )
  }

  async due(nowMs: number, busy: readonly string[]): Promise<{ id: string; webhookId: string }[]> {
    const first = new Map<string, Outgoing>()
    for (const { outgoing, nextAtMs } of this.#waiting(busy)) {
      if ((nextAtMs ?? 0) <= nowMs && !first.has(outgoing.webhookId)) first.set(outgoing.webhookId, outgoing)
    }
    return [...first.values()]
  }

  async nextAtMs(busy: readonly string[]): Promise<number | null> {
    const times = this.#waiting(busy).map(({ nextAtMs }) => nextAtMs ?? 0)
    return times.length === 0 ? null : Math.min(...times)
  }

  async load(id: string): Promise<Outgoing | null> {
    return this.kept.get(id)?.outgoing ?? null
  }

  async record({ id, attempts }: Outgoing, attempt: Attempt): Promise<void> {
    if (this.refusals-- > 0) throw new Error('disk full')
    this.recorded.push({ ...attempt, id })
    const kept = this.kept.get(id)
    if (kept === undefined) return
    kept.outgoing = { ...kept.outgoing, attempts: attempts + 1 }
    kept.state = attempt.state
    kept.nextAtMs = attempt.nextAtMs
  }
}

interface Sending {
  readonly post: Post
  readonly end: (outcome: Outcome) => void
}

function place(t: { teardown(run: () => unknown): void }) {
  const [clock, outbox] = [new ManualClock(), new MemoryOutbox()]
  const sendings: Sending[] = []
  const about = { coordinatorId: 'c'.repeat(32), allowPrivate: false, userAgent: 'test/1' }
  const deliverer = new Deliverer({
    ...{ outbox, clock, ...about, random: seededRandom(1), log: silentLogger, metrics: noMetrics },
    send: (post, { signal }) =>
      new Promise((resolve) => {
        sendings.push({ post, end: resolve })
        signal.addEventListener('abort', () => resolve(down))
      }),
  })
  t.teardown(() => deliverer.close())
  return { clock, outbox, sendings, deliverer }
}

t.test('to one webhook goes one at a time, in order, signed with ids that stay', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  for (const event of [1, 2]) outbox.add('a', event, clock.nowMs())
  deliverer.wake()
  await until('the first is sent', () => sendings.length === 1)
  t.match(sendings[0]?.post.headers, { 'webhook-id': 'a_1', 'content-type': /^application\/cloudevents\+json/ })
  t.match(JSON.parse(sendings[0]?.post.body ?? ''), { specversion: '1.0', id: '1', type: 'engine.job.failed' })
  sendings[0]?.end(ok)
  await until('the second is sent', () => sendings.length === 2)
  t.equal(sendings[1]?.post.headers['webhook-id'], 'a_2')
})

t.test('what failed is sent again when its time has come, under the same id', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  outbox.add('a', 1, clock.nowMs())
  deliverer.wake()
  await until('it is sent', () => sendings.length === 1)
  sendings[0]?.end(down)
  await until('it waits', () => outbox.recorded.length === 1 && clock.waiting === 1)
  clock.advance(3999)
  await until('it is looked at', () => clock.waiting === 1)
  t.equal(sendings.length, 1, 'not before its time')
  clock.advance(2001)
  await until('it is sent again', () => sendings.length === 2)
  t.equal(sendings[1]?.post.headers['webhook-id'], 'a_1')
  t.not(sendings[1]?.post.headers['webhook-timestamp'], sendings[0]?.post.headers['webhook-timestamp'])
  sendings[1]?.end(ok)
  await until('it is delivered', () => outbox.recorded.at(-1)?.state === 'delivered')
})

t.test('webhooks that hang take a turn each and hold up nobody else', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  for (let slow = 0; slow < 15; slow++)
    for (let event = 1; event <= 3; event++) outbox.add(`slow${slow}`, event, clock.nowMs())
  for (let event = 101; event <= 110; event++) outbox.add('fast', event, clock.nowMs())
  deliverer.wake()
  for (let done = 0; done < 10; done++) {
    const sending = await until(
      'the fast one is called',
      () => sendings.filter(({ post }) => post.url.includes('fast'))[done],
    )
    sending.end(ok)
  }
  await until('all of the fast one is delivered', () => outbox.recorded.length === 10)
  t.equal(sendings.length, 25, 'each slow one is called once')
})

t.test('with every turn taken, who was not called yet comes first', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  for (let slow = 0; slow < 20; slow++) for (const event of [1, 2]) outbox.add(`w${slow}`, event, clock.nowMs())
  deliverer.wake()
  await until('every turn is taken', () => sendings.length === 16)
  clock.advance(1)
  for (const sending of sendings.slice(0, 4)) sending.end(down)
  await until('the turns are taken again', () => sendings.length === 20)
  t.equal(new Set(sendings.map(({ post }) => post.url)).size, 20)
})

t.test('what was sent and could not be recorded is sent again, a minute later', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  outbox.refusals = 1
  outbox.add('a', 1, clock.nowMs())
  deliverer.wake()
  await until('it is sent', () => sendings.length === 1)
  sendings[0]?.end(ok)
  await until('it could not be recorded', () => outbox.refusals === 0 && clock.waiting === 1)
  clock.advance(60_000)
  await until('it is sent again', () => sendings.length === 2)
  t.equal(sendings[1]?.post.headers['webhook-id'], 'a_1')
})

t.test('closing breaks off what is under way and records nothing of it', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  outbox.add('a', 1, clock.nowMs())
  deliverer.wake()
  await until('it is sent', () => sendings.length === 1)
  await deliverer.close()
  deliverer.wake()
  t.same(outbox.recorded, [])
  t.equal(clock.waiting, 0)
})

t.test('one that was removed meanwhile is forgotten', async (t) => {
  const { clock, outbox, sendings, deliverer } = place(t)
  outbox.add('a', 1, clock.nowMs())
  outbox.load = async () => {
    outbox.kept.clear()
    return null
  }
  deliverer.wake()
  await until('it is gone', () => outbox.kept.size === 0)
  await deliverer.close()
  t.equal(sendings.length, 0)
})
