// Goal: a receiver that follows Standard Webhooks accepts what we sign, and nothing else.
// Method: a verifier written from the specification, a vector of it, and properties.
import fc from 'fast-check'
import t from 'tap'
import { seededRandom } from '../../../../src/base/random.js'
import { keyOf, newSecret, rotated, signingHeaders } from '../../../../src/outside/webhooks/signature.js'
import { verifies } from '../../../support/standard-webhooks.js'

const one = newSecret(seededRandom(1))
const two = newSecret(seededRandom(2))
const forGood = (secret: string) => ({ secret, untilMs: null })

t.test('the published example has the published signature', async (t) => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1614265330, body: '{"test": 2432232314}' }
  t.same(signingHeaders(signed, [forGood(secret)], 0), {
    'webhook-id': signed.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

t.test('what is signed verifies, and a change of any part of it does not', async (t) => {
  const text = fc.string({ unit: 'binary' })
  const key = fc.uint8Array({ minLength: 24, maxLength: 64 })
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9A-Z_]{1,40}$/), fc.nat(), text, key, (id, timestamp, body, bytes) => {
      const secret = `whsec_${Buffer.from(bytes).toString('base64')}`
      const headers = signingHeaders({ id, timestamp, body }, [forGood(secret)], 0)
      return (
        verifies(secret, headers, body) &&
        !verifies(secret, headers, `${body} `) &&
        !verifies(secret, { ...headers, 'webhook-id': `${id}0` }, body) &&
        !verifies(secret, { ...headers, 'webhook-timestamp': `${timestamp}0` }, body) &&
        !verifies(one, headers, body)
      )
    }),
  )
  t.pass('for every id, time, body and key')
})

t.test('while a secret is changed both sign, the new one first; a day later the new one alone', async (t) => {
  const secrets = rotated([forGood(one)], two, 1000)
  const signed = { id: 'a', timestamp: 1, body: '{}' }
  const during = signingHeaders(signed, secrets, 1000)
  t.equal(during['webhook-signature']?.split(' ').length, 2)
  t.ok(verifies(one, during, '{}') && verifies(two, during, '{}'))
  t.equal(during['webhook-signature']?.split(' ')[0], signingHeaders(signed, [forGood(two)], 0)['webhook-signature'])
  const after = signingHeaders(signed, secrets, 1000 + 86_400_000)
  t.notOk(verifies(one, after, '{}'))
  t.ok(verifies(two, after, '{}'))
  t.equal(rotated(secrets, one, 2000).length, 2, 'of three the oldest signs no more')
})

t.test('without a secret there is no signature', async (t) => {
  t.same(signingHeaders({ id: 'a', timestamp: 1, body: '' }, [], 0), { 'webhook-id': 'a', 'webhook-timestamp': '1' })
})

t.test('what is no secret is refused, and the refusal does not repeat it', async (t) => {
  const short = `whsec_${Buffer.alloc(23, 7).toString('base64')}`
  const long = `whsec_${Buffer.alloc(65, 7).toString('base64')}`
  for (const wrong of [
    '',
    'whsec_',
    one.slice(6),
    `whsk_${one.slice(6)}`,
    `${one}!`,
    short,
    long,
    `whsec_${'*'.repeat(40)}`,
  ]) {
    try {
      keyOf(wrong)
      t.fail(`${wrong} is taken`)
    } catch (error) {
      t.match(error, { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
      t.ok(wrong.length < 10 || !String(error).includes(wrong.slice(6)))
    }
  }
  t.equal(keyOf(one).length, 32)
  t.equal(keyOf(one.replace(/=+$/, '')).length, 32, 'padding may be left out')
})
