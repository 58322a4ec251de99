// Goal: `engine verify` ends by what was found: nothing with 0, damage with 8, nodes that could not read with 7.
// Method: the command over a client that answers from memory.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { verify } from '../../../src/cli/commands/verify.js'
import type { Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import type { NodeVerification, Verification } from '../../../src/model/verification.js'

const clean = { site: 'www', release: 1, files: 3, bytes: 9, mismatches: 0, linkIsRight: true, findings: [] }
const found = (values: object = {}): Verification =>
  ({ ...clean, mended: 'none', ...values }) as unknown as Verification
const node = (values: Partial<NodeVerification>): NodeVerification => ({
  ...{ nodeId: '0'.repeat(32), name: 'n1', state: 'clean', found: found(), error: null },
  ...values,
})

async function run(nodes: readonly NodeVerification[], json = false) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const speech = { json, quiet: false, color: false, progress: false, dumbTerminal: true }
  const api = { verify: async () => ({ id: 'v', site: 'www', group: 'edge', repair: false, nodes }) }
  const context = { output: createOutput({ ...speech, stdout, stderr }), clock: systemClock }
  const code = await verify({ ...context, connect: async () => api } as unknown as Context, { site: 'www' })
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

const damaged = node({
  ...{ name: 'n2', state: 'damaged' },
  found: found({ mismatches: 1, findings: [{ path: 'a\u001b[2Jb', kind: 'content' }] }),
})
const error = { code: 'ENGINE_ERR_NODE_LOST', message: 'n3 is away', hint: 'start it' }
const away = node({ name: 'n3', state: 'failed', found: null, error })

t.test('each end has its exit code and its words', async (t) => {
  t.match(await run([node({})]), { code: 0, err: '' })
  const drifted = await run([node({}), damaged, away])
  t.match(drifted, { code: 8, err: /ENGINE_ERR_DRIFT/, out: /n2 +www@1 .*damaged[^]* n2 +content/ })
  t.notMatch(drifted.out, '\u001b', 'names that others chose reach no terminal as they are')
  t.match(await run([node({}), away]), { code: 7, err: /ENGINE_ERR_NODES_UNREAD.*n3 is away/ })
})

t.test('with --json there is one result, with the status that the exit code has', async (t) => {
  t.match(JSON.parse((await run([node({})], true)).out), { type: 'result', status: 'success' })
  t.match(JSON.parse((await run([away], true)).out), { type: 'result', status: 'failed', verification: { id: 'v' } })
})
