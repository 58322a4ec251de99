// Goal: one node can be asked what it really serves, outside of any job, and the question always has an end.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { Checks, checkNode } from '../../../src/coordinator/checking.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import type { Verification } from '../../../src/model/verification.js'
import { nodeIdentity } from '../../support/records.js'

const found = { site: 'www', release: 1 } as unknown as Verification
const request = { site: 'www', release: null, rateBps: null, repair: false }

const place = () => {
  const closing = new AbortController()
  const world = { checks: new Checks(), closing: closing.signal } as unknown as World
  const known = new KnownNode(nodeIdentity(), [], 1)
  const heard: FromCoordinator[] = []
  known.link = { send: (message) => void heard.push(message), close: () => {} }
  const { id } = known.identity
  return { world, known, heard, closing, id }
}

t.test('a node is asked once and its answer is given on', async (t) => {
  const { world, known, heard, id } = place()
  const asked = checkNode(world, known, request)
  t.strictSame(heard, [{ type: 'check', checkId: '1', ...request }])
  world.checks.answer('f'.repeat(32), { type: 'checked', checkId: '1', found: null, error: null })
  world.checks.answer(id, { type: 'checked', checkId: '9', found, error: null })
  world.checks.answer(id, { type: 'checked', checkId: '1', found, error: null })
  t.equal(await asked, found)
})

t.test('what a node refuses with is what is thrown, a code nobody knows as an internal error', async (t) => {
  const { world, known, id } = place()
  for (const [code, expected] of [
    ['ENGINE_ERR_RELEASE_UNKNOWN', 'ENGINE_ERR_RELEASE_UNKNOWN'],
    ['ENGINE_ERR_OF_TOMORROW', 'ENGINE_ERR_INTERNAL'],
  ] as const) {
    const asked = checkNode(world, known, request)
    const checkId = code === 'ENGINE_ERR_RELEASE_UNKNOWN' ? '1' : '2'
    world.checks.answer(id, { type: 'checked', checkId, found: null, error: { code, message: 'm', hint: 'h' } })
    await t.rejects(asked, { code: expected, message: 'm', hint: 'h' })
  }
})

t.test('a node that is not there or goes, a caller that stops, a coordinator that closes: each ends it', async (t) => {
  const { world, known, closing, id } = place()
  const lost = checkNode(world, known, request)
  world.checks.lost(id)
  await t.rejects(lost, { code: 'ENGINE_ERR_NODE_LOST', message: /ams-1/ })
  const controller = new AbortController()
  const stopped = checkNode(world, known, request, controller.signal)
  controller.abort()
  await t.rejects(stopped, { code: 'ENGINE_ERR_CANCELLED' })
  const closed = checkNode(world, known, request)
  closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
  await t.rejects(closed, { code: 'ENGINE_ERR_CLOSING' })
  known.link = null
  await t.rejects(checkNode(world, known, request), { code: 'ENGINE_ERR_NODE_LOST' })
})
