// Goal: one node that cannot be measured keeps no other from being measured, and nobody waits for what fails for all.
// Method: the command over a client that answers from memory.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { EngineError, type ErrorCode } from '../../../src/base/errors.js'
import { probe, type ProbeFlags } from '../../../src/cli/commands/probe.js'
import type { Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import type { JobsApi } from '../../../src/control/door/api.js'

interface Told {
  readonly items: readonly { readonly to: string }[]
  readonly failed: readonly { readonly node: string; readonly error: { readonly code: string } }[]
}

/** @param ill what measuring a node fails with. */
async function run(ill: Readonly<Record<string, ErrorCode>>, flags: ProbeFlags = {}) {
  const stdout = new PassThrough()
  const speech = { json: true, quiet: false, color: false, progress: false, dumbTerminal: true }
  const asked: string[] = []
  const api = {
    nodes: async () => ['n1', 'n2', 'n3'].map((name) => ({ name, online: true, groups: [] })),
    probe: async (node: string) => {
      asked.push(node)
      const code = ill[node]
      if (code !== undefined) throw new EngineError(code, { name: node, ms: 1, why: 'x' })
      return [{ from: 'coordinator', to: node, how: 'train', rateBps: 1e8, spanMs: 100, bytes: 1 }]
    },
  } as unknown as JobsApi
  const output = createOutput({ ...speech, stdout, stderr: new PassThrough() })
  const context = { output, connect: async () => api } as unknown as Context
  const code: unknown = await probe(context, [], flags).catch((error: unknown) => error)
  return { code, asked, told: JSON.parse(String(stdout.read() ?? 'null')) as Told | null }
}

t.test('a node that is lost, silent or not reached is told of, and the others are measured', async (t) => {
  for (const code of ['ENGINE_ERR_NODE_LOST', 'ENGINE_ERR_NODE_SILENT', 'ENGINE_ERR_PROBE_FAILED'] as const) {
    const { told, code: exit } = await run({ n2: code })
    t.same(
      told?.items.map(({ to }) => to),
      ['n1', 'n3'],
      code,
    )
    t.match(told?.failed, [{ node: 'n2', error: { code } }])
    t.equal(exit, 1)
  }
})

t.test('what fails for all ends it at once', async (t) => {
  const busy = await run({ n1: 'ENGINE_ERR_PROBE_BUSY' })
  t.match(busy.code, { code: 'ENGINE_ERR_PROBE_BUSY' })
  t.same(busy.asked, ['n1'])
  const silent = await run({ n1: 'ENGINE_ERR_NODE_SILENT' }, { from: 'n3' })
  t.match(silent.code, { code: 'ENGINE_ERR_NODE_SILENT' }, 'the one that is to send to all of them')
})
