// Goal: our own mistakes are told as such.
// Method: both functions are called with what must not be.
import t from 'tap'
import { assert, unreachable } from '../../../src/base/assert.js'

t.test('what must be true passes, what is not true is an internal error', async (t) => {
  assert(true, 'fine')
  t.throws(() => assert(0, 'zero is nothing', { count: 0 }), {
    code: 'ENGINE_ERR_INTERNAL',
    message: /zero is nothing/,
    details: { count: 0 },
  })
})

t.test('a case that cannot be is an internal error', async (t) => {
  t.throws(() => unreachable('odd' as never), { code: 'ENGINE_ERR_INTERNAL', message: /no case for "odd"/ })
})
