// Goal: a question of the coordinator is answered once, damage is told once, and a flood is refused.
import t from 'tap'
import { CHECKS_WAITING_MAX } from '../../../src/base/verify-limits.js'
import { EngineError } from '../../../src/base/errors.js'
import type { FromNode } from '../../../src/control/schema/channel.js'
import type { Verification, VerifyRequest } from '../../../src/model/verification.js'
import { Checks } from '../../../src/node/checks.js'
import { until } from '../../support/until.js'

const found = { site: 'www', release: 1, mismatches: 1 } as unknown as Verification
const question = (checkId: string) =>
  ({ type: 'check', checkId, site: 'www', release: null, rateBps: null, repair: false }) as const

const place = (verify: (request: VerifyRequest, signal: AbortSignal) => Promise<Verification>) => {
  const sent: FromNode[] = []
  const channel = { isUp: true }
  const send = (message: FromNode): boolean => channel.isUp && sent.push(message) > 0
  return { sent, channel, checks: new Checks({ verifications: { verify }, send }) }
}

t.test('what came of a reading is answered, well or badly', async (t) => {
  let failing = false
  const { sent, checks } = place(async () => {
    if (failing) throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site: 'www', release: 1 })
    return found
  })
  checks.check(question('1'))
  await until('it was answered', () => sent.length === 1)
  failing = true
  checks.check(question('2'))
  await until('it was answered', () => sent.length === 2)
  t.match(sent, [
    { type: 'checked', checkId: '1', found, error: null },
    { type: 'checked', checkId: '2', found: null, error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } },
  ])
})

t.test('more questions than may wait are refused; closing ends the one at work', async (t) => {
  const { sent, checks } = place(
    (_, signal) =>
      new Promise((_resolve, reject) => {
        if (signal.aborted) reject(new EngineError('ENGINE_ERR_CLOSING'))
        signal.addEventListener('abort', () => reject(new EngineError('ENGINE_ERR_CLOSING')))
      }),
  )
  for (let i = 0; i < CHECKS_WAITING_MAX; i++) checks.check(question(String(i)))
  checks.check(question('more'))
  t.match(sent, [{ checkId: 'more', error: { code: 'ENGINE_ERR_OVERLOADED' } }])
  await checks.close()
  t.equal(sent.length, CHECKS_WAITING_MAX + 1)
})

t.test('damage that nobody was there to hear is told when somebody is, once', async (t) => {
  const { sent, channel, checks } = place(async () => found)
  channel.isUp = false
  checks.tell(found)
  checks.resend()
  channel.isUp = true
  checks.resend()
  checks.resend()
  t.strictSame(sent, [{ type: 'drift', found }])
})
