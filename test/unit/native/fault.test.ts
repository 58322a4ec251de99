// Goal: what the addons throw comes out as errors of the table. Method: errors shaped as theirs.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { guarded, guardedAsync } from '../../../src/native/fault.js'

const native = (code: string, details?: object) => Object.assign(new Error('its own words'), { code, details })

t.test('a code of the table is kept, with its words and facts', async (t) => {
  const fault = native('ENGINE_ERR_NO_SPACE', { path: '/disk' })
  const call = () =>
    guarded(() => {
      throw fault
    })
  t.throws(call, { code: 'ENGINE_ERR_NO_SPACE', message: 'its own words', details: { path: '/disk' }, cause: fault })
})

t.test('a code of nobody is an internal error, and so is none', async (t) => {
  for (const error of [native('StringExpected'), new Error('plain'), 'text']) {
    await t.rejects(
      guardedAsync(() => Promise.reject(error)),
      { code: 'ENGINE_ERR_INTERNAL' },
    )
  }
})

t.test('an EngineError that a callback threw passes through', async (t) => {
  const own = new EngineError('ENGINE_ERR_CANCELLED', { what: 'the test' })
  try {
    guarded(() => {
      throw own
    })
  } catch (error) {
    t.equal(error, own)
  }
})
