// Goal: the small decisions of loading: which word was meant, who can reach an address, what the terminal wants.
// Method: examples, and properties for distances.
import fc from 'fast-check'
import t from 'tap'
import { surroundings, terminalSettings, xdgDirectory } from '../../../src/config/environment.js'
import { configJsonSchema, fields, variableName } from '../../../src/config/fields.js'
import { requireLoopback } from '../../../src/config/listen.js'
import { distance, nearest } from '../../../src/config/nearest.js'
import { overlay, valueAt } from '../../../src/config/sources.js'

t.test('a slip of the pen is near, another word is not', async (t) => {
  const known = ['segment', 'groups', 'dataDir', 'data', 'join']
  t.equal(nearest('segmant', known), 'segment')
  t.equal(nearest('SEGMENT', known), 'segment')
  t.equal(nearest('data_dir', known), 'dataDir')
  t.equal(nearest('gruops', known), 'groups')
  t.equal(nearest('retries', known), null)
  t.equal(nearest('x', []), null)
})

t.test('the distance of two words is a distance', async (t) => {
  t.equal(distance('kitten', 'sitting'), 3)
  t.equal(distance('ab', 'ba'), 1)
  t.equal(distance('', 'abc'), 3)
  const word = fc.string({ maxLength: 8 })
  fc.assert(
    fc.property(word, word, (left, right) => {
      const far = distance(left, right)
      const longest = Math.max(left.length, right.length)
      return far === distance(right, left) && (far === 0) === (left === right) && far <= longest
    }),
  )
})

t.test('listening where others reach has to be said aloud', async (t) => {
  t.doesNotThrow(() => requireLoopback('node.data', '127.0.0.1', false))
  for (const host of ['0.0.0.0', '::', 'example.org']) {
    t.throws(() => requireLoopback('node.data', host, false), { code: 'ENGINE_ERR_INSECURE_LISTEN', details: { host } })
    t.doesNotThrow(() => requireLoopback('node.data', host, true))
  }
})

t.test('the terminal’s wishes are read from its variables', async (t) => {
  t.same(terminalSettings({}), { color: undefined, animate: true, dumb: false, url: null })
  t.match(terminalSettings({ NO_COLOR: '1', FORCE_COLOR: '1' }), { color: false })
  t.match(terminalSettings({ NO_COLOR: '', FORCE_COLOR: '1' }), { color: true })
  t.match(terminalSettings({ TERM: 'dumb' }), { color: false, dumb: true })
  t.match(terminalSettings({ CI: 'true' }), { animate: false })
  t.match(terminalSettings({ CI: 'false' }), { animate: true })
  t.match(terminalSettings({ ENGINE_URL: 'http://c:1' }), { url: 'http://c:1' })
  t.match(terminalSettings({ ENGINE_URL: '' }), { url: null })
})

t.test('the user’s directories are where XDG says, when it says something whole', async (t) => {
  t.equal(xdgDirectory({ HOME: '/home/u' }, 'config'), '/home/u/.config')
  t.equal(xdgDirectory({ HOME: '/home/u', XDG_STATE_HOME: '/s' }, 'state'), '/s')
  t.equal(xdgDirectory({ HOME: '/home/u', XDG_STATE_HOME: 'relative' }, 'state'), '/home/u/.local/state')
  t.ok(surroundings().hostName.length > 0)
})

t.test('settings are laid over one another level by level', async (t) => {
  t.same(overlay({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 3, c: undefined }, d: [2, 3], e: null }), {
    a: { b: 3, c: 2 },
    d: [2, 3],
    e: null,
  })
  t.equal(valueAt({ a: { b: 1 } }, ['a', 'b']), 1)
  t.equal(valueAt({ a: 1 }, ['a', 'b']), undefined)
  t.equal(valueAt({}, ['toString']), undefined)
})

t.test('each field has a variable of its own', async (t) => {
  t.equal(variableName('coordinator.listen.port'), 'ENGINE_COORDINATOR__LISTEN__PORT')
  t.equal(variableName('dataDir'), 'ENGINE_DATA_DIR')
  const variables = fields.flatMap(({ variable }) => variable ?? [])
  t.equal(new Set(variables).size, variables.length)
  t.match(
    fields.find(({ path }) => path === 'coordinator.listen.port'),
    { type: 'number', allowed: '0–65535', default: 7400 },
  )
})

t.test('editors are given a schema with the effect of each field', async (t) => {
  const { properties } = configJsonSchema() as { properties: Record<string, Record<string, unknown>> }
  t.match(properties['role'], { enum: ['coordinator', 'node', 'both'], default: 'coordinator', effect: /./ })
})
