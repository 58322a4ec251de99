// Goal: who asks for what is not there learns what there is.
// Method: the command over answers of a coordinator.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { hooks, status } from '../../../src/cli/commands/fleet.js'
import { readHooks } from '../../../src/config/hooks.js'
import { createOutput } from '../../../src/cli/output.js'
import { interrupts } from '../../../src/cli/signals.js'
import type { JobsApi } from '../../../src/control/door/api.js'
import type { SiteView } from '../../../src/model/site.js'

const site = (name: string, group: string): SiteView => ({
  ...{ site: name, group, targetRelease: 1, targetTreeHash: null, holdReason: null, holdUntilMs: null },
  ...{ nodesLive: 1, nodeCount: 1, releases: [1] },
})

const noteOf = async (sites: readonly SiteView[], flags: { readonly group?: string }): Promise<string> => {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() }
  const output = createOutput({
    ...{ json: false, quiet: false, color: false, progress: false, dumbTerminal: false },
    ...streams,
  })
  const connect = async () => ({ sites: async () => sites, jobs: async () => [] }) as unknown as JobsApi
  await status({ output, clock: systemClock, interrupts, connect }, flags)
  return String(streams.stderr.read() ?? '')
}

t.test('a group without a site is told with the groups that have one', async (t) => {
  const sites = [site('www', 'edge'), site('docs', 'inner'), site('shop', 'edge')]
  t.equal(await noteOf(sites, { group: 'nope' }), 'no site in group nope (groups: edge, inner)\n')
  t.equal(await noteOf(sites, { group: 'edge' }), '')
  t.match(await noteOf([], { group: 'nope' }), /no site yet; publish one/)
})

t.test('hooks are shown with what each argument may be, and a node that nobody knows is told', async (t) => {
  const declared = readHooks({
    purge: {
      command: ['p', '{path}'],
      sites: ['www'],
      arguments: {
        path: { type: 'string', pattern: '/[a-z]+', required: true },
        depth: { type: 'integer', min: 1, max: 9, default: 2 },
        how: { type: 'choice', choices: ['soft', 'hard'] },
      },
    },
    reload: { command: ['r'], on: 'after-commit' },
  })
  const nodes = [
    { name: 'n1', id: 'a', hooks: declared },
    { name: 'n2', id: 'b', hooks: null },
  ]
  const ask = async (only?: string, json = false): Promise<string> => {
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() }
    const output = createOutput({
      ...{ json, quiet: false, color: false, progress: false, dumbTerminal: false },
      ...streams,
    })
    const connect = async () => ({ nodes: async () => nodes }) as unknown as JobsApi
    t.equal(await hooks({ output, clock: systemClock, interrupts, connect }, only), 0)
    return String(streams.stdout.read() ?? streams.stderr.read() ?? '')
  }
  const shown = await ask()
  t.match(shown, /n1 +purge +when named +www +path=\/\[a-z\]\+ \[depth=1–9, else 2\] \[how=soft\|hard\]/)
  t.match(shown, /n1 +reload +after-commit +all/)
  t.match(shown, /n2 +– .*has not said/)
  t.notMatch(await ask('b'), 'n1')
  t.match(JSON.parse(await ask('n1', true)), {
    items: [{ node: 'n1', hooks: [{ name: 'purge' }, { name: 'reload' }] }],
  })
  await t.rejects(ask('n9'), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
})
