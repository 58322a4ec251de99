// Goal: nobody has the coordinator call what only it can reach. Method: addresses in every spelling, and properties.
import fc from 'fast-check'
import t from 'tap'
import { addressOf, isBlocked } from '../../../../src/outside/webhooks/addresses.js'
import { checkTarget } from '../../../../src/outside/webhooks/target.js'

t.test('what is not of the public internet is blocked, however it is written', async (t) => {
  const inner = ['127.0.0.1', '127.255.0.9', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1']
    .concat(['169.254.169.254', '100.64.0.1', '198.18.0.1', '192.0.2.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'])
    .concat(['::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:a00:1', '64:ff9b::a00:1', '64:ff9b::7f00:1'])
    .concat(['64:ff9b::1', '64:ff9b:1::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'])
    .concat(['2001:db8::1', '2001::1', '2002:7f00:1::', 'FE80::1', 'localhost', '', '1.2.3', '::ffff:169.254.169.254'])
  t.same(
    inner.filter((address) => !isBlocked(address)),
    [],
  )
})

t.test('what is public is not', async (t) => {
  const outer = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '11.0.0.1', '100.128.0.1', '2606:4700::1111', '64:ff9b::808:808']
  t.same(
    outer.concat('::ffff:8.8.8.8').filter((address) => isBlocked(address)),
    [],
  )
})

t.test('IPv4 is judged alike by itself, mapped, and translated', async (t) => {
  const byte = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(byte, byte, byte, byte, (a, b, c, d) => {
      const plain = isBlocked(`${a}.${b}.${c}.${d}`)
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
      return isBlocked(`::ffff:${hex}`) === plain && isBlocked(`64:ff9b::${hex}`) === plain
    }),
  )
})

t.test('a URL with such an address is refused when it is added; a name is looked up later', async (t) => {
  const numbers = ['http://127.0.0.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://017700000001/', 'http://127.1/']
  for (const url of [...numbers, 'http://localhost/', 'http://[::1]:8080/x', 'http://[::ffff:10.0.0.1]/']) {
    t.throws(() => checkTarget(url, false), { code: 'ENGINE_ERR_ADDRESS_BLOCKED' }, url)
    t.doesNotThrow(() => checkTarget(url, true), url)
  }
  for (const url of ['https://example.org/hook?x=1', 'http://8.8.8.8:8080/'])
    t.doesNotThrow(() => checkTarget(url, false))
})

t.test('what cannot be called, or holds a password, is refused', async (t) => {
  const wrong = [
    '',
    'example.org',
    'ftp://example.org',
    'file:///etc/passwd',
    'javascript:1',
    'http://',
    '//x',
    'http://a b/',
  ]
  for (const url of [
    ...wrong,
    'https://me:secret@example.org/',
    'https://me@example.org/',
    `https://a/${'x'.repeat(3000)}`,
  ]) {
    t.throws(() => checkTarget(url, true), { code: 'ENGINE_ERR_INVALID_ARGUMENT' }, url)
  }
})

t.test('a host in brackets is an address, a name is none', async (t) => {
  t.equal(addressOf('[::1]'), '::1')
  t.equal(addressOf('10.0.0.1'), '10.0.0.1')
  t.equal(addressOf('example.org'), null)
})
