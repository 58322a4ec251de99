import t from 'tap'
import fc from 'fast-check'
import { digestOf, isSigned, Signer } from '../../../src/base/signing.js'
import { publicKeyOf } from '../../../src/native/keys.js'

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })

t.test('a signer has the public key that the native side makes of the same seed', async (t) => {
  fc.assert(
    fc.property(seed, (bytes) => {
      t.equal(new Signer(bytes).publicKey, publicKeyOf(bytes).toString('hex'))
    }),
  )
})

t.test('a signature is of one text, one purpose and one key', async (t) => {
  fc.assert(
    fc.property(seed, fc.string(), fc.string(), (bytes, text, more) => {
      const signer = new Signer(bytes)
      const signature = signer.sign('a', text)
      const key = signer.publicKey
      t.ok(isSigned(key, signature, 'a', text))
      t.notOk(isSigned(key, signature, 'b', text))
      t.notOk(isSigned(key, signature, 'a', `${text}.${more}`))
      t.notOk(isSigned(new Signer(Buffer.from(bytes.map((byte) => byte ^ 1))).publicKey, signature, 'a', text))
    }),
  )
})

t.test('what is no key or no signature signs nothing', async (t) => {
  const { publicKey } = new Signer(Buffer.alloc(32))
  const zeros = '0'.repeat(128)
  for (const [key, signature] of [
    ['', zeros],
    [publicKey, ''],
    [publicKey.toUpperCase(), zeros],
    ['f'.repeat(64), zeros],
    ['0'.repeat(64), zeros],
    [publicKey, zeros],
  ] as const) {
    t.equal(isSigned(key, signature, 'a', 'b'), false)
  }
})

t.test('a key under which a signature of nothing would hold signs nothing', async (t) => {
  const nothing = [`01${'00'.repeat(63)}`, '00'.repeat(64)]
  const weak = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    `ec${'ff'.repeat(30)}7f`,
    `ec${'ff'.repeat(31)}`,
  ]
  for (const key of weak) {
    const held = Array.from({ length: 64 }, (_, i) => nothing.some((none) => isSigned(key, none, 'a', `text ${i}`)))
    t.notOk(held.includes(true), key)
  }
})

t.test('a digest is of one purpose', async (t) => {
  t.equal(digestOf('a', 'b'), '59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138')
  t.not(digestOf('a', 'bc'), digestOf('ab', 'c'))
})
