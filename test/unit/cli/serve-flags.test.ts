// Goal: flags of `engine serve` reach the configuration as its own fields, and say nothing that was not said.
import t from 'tap'
import { serveFlags } from '../../../src/cli/serve-flags.js'

t.test('what no flag said is left to files and the environment', (t) => {
  t.same(serveFlags({}), { file: undefined, flags: {} })
  t.end()
})

t.test('addresses become host and port', (t) => {
  t.same(serveFlags({ role: 'coordinator', listen: '10.0.0.1:7400', relay: '[::1]:0' }).flags, {
    role: 'coordinator',
    coordinator: { listen: { host: '10.0.0.1', port: 7400 }, data: { host: '::1', port: 0 } },
    node: { data: { host: '::1', port: 0 } },
  })
  for (const listen of ['here', '10.0.0.1:65536', '10.0.0.1:']) {
    const message = new RegExp(`--listen "${listen}" is not valid: write it like`)
    t.throws(() => serveFlags({ listen }), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message })
  }
  t.end()
})

t.test('a bandwidth limit is of whatever relay the process has', (t) => {
  const { flags } = serveFlags({ bwlimit: '08:00,5M 19:00,off' })
  const bwlimit = '08:00,5M 19:00,off'
  t.same(flags, { coordinator: { bwlimit }, node: { bwlimit } })
  t.end()
})

t.test('with both roles the node’s relay takes a port of its own', (t) => {
  const { flags } = serveFlags({ role: 'both', relay: '127.0.0.1:7500' })
  t.match(flags, { coordinator: { data: { port: 7500 } }, node: { data: { host: '127.0.0.1', port: 0 } } })
  t.end()
})
