// Goal: keys and digests are the standards'. Method: published test vectors.
import t from 'tap'
import { blake3, generateKey, publicKeyOf } from '../../../src/native/keys.js'

t.test('the public half of a seed is that of RFC 8032, test 1', async (t) => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  t.equal(publicKeyOf(seed).toString('hex'), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
})

t.test('a generated key is a pair, and no two are equal', async (t) => {
  const [one, other] = [generateKey(), generateKey()]
  t.equal(one.seed.length, 32)
  t.ok(publicKeyOf(one.seed).equals(one.publicKey))
  t.notOk(one.seed.equals(other.seed))
})

t.test('a seed of another length is refused', async (t) => {
  t.throws(() => publicKeyOf(Buffer.alloc(31)), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})

t.test('BLAKE3 of nothing is the one of its specification', async (t) => {
  t.equal(blake3(Buffer.alloc(0)), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
})
