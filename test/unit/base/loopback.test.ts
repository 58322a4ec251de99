import t from 'tap'
import { isLoopback } from '../../../src/base/loopback.js'

t.test('only this machine reaches loopback, however it is spelt', async (t) => {
  const ipv6 = ['::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '[::ffff:7f00:1]']
  for (const host of ['127.0.0.1', '127.9.9.9', ...ipv6, 'localhost', 'LOCALHOST']) t.ok(isLoopback(host), host)
})

t.test('what others may reach is not loopback', async (t) => {
  const ipv6 = ['::', '[::]', '::2', '::ffff:10.0.0.1', '::127.0.0.1']
  const names = ['', 'example.org', '127.example.org', 'localhost.example.org']
  for (const host of ['0.0.0.0', '10.0.0.1', '128.0.0.1', '127.0.0.999', ...ipv6, ...names]) {
    t.notOk(isLoopback(host), host)
  }
})
