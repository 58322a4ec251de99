// Goal: a silent node is told from one that may still come. Method: times around the limit.
import t from 'tap'
import { NODE_SILENT_MS } from '../../../src/base/limits.js'
import { silenceOf } from '../../../src/track/silence.js'

t.test('who is connected is never silent', async (t) => {
  t.equal(silenceOf({ online: true, lastHeardMs: 0 }, 0, 10 * NODE_SILENT_MS), null)
})

t.test('who went away has the limit to come back', async (t) => {
  t.equal(silenceOf({ online: false, lastHeardMs: 1000 }, 0, 1000 + NODE_SILENT_MS), null)
  t.match(silenceOf({ online: false, lastHeardMs: 1000 }, 0, 1001 + NODE_SILENT_MS), /^it has not answered for/)
})

t.test('who has been away for long keeps nobody waiting anew', async (t) => {
  t.match(silenceOf({ online: false, lastHeardMs: 1000 }, 90_000, 90_500), /^it has not answered for/)
})

t.test('who was never seen in this life has the limit from its beginning, then says so', async (t) => {
  t.equal(silenceOf({ online: false, lastHeardMs: null }, 5, NODE_SILENT_MS + 5), null)
  t.match(silenceOf({ online: false, lastHeardMs: null }, 0, NODE_SILENT_MS + 1), /since the coordinator started/)
})
