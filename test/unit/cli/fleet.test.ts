// Goal: who asks for what is not there learns what there is.
// Method: the command over answers of a coordinator.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { status } from '../../../src/cli/commands/fleet.js'
import { createOutput } from '../../../src/cli/output.js'
import { interrupts } from '../../../src/cli/signals.js'
import type { JobsApi } from '../../../src/control/door.js'
import type { SiteView } from '../../../src/model/site.js'

const site = (name: string, group: string): SiteView => ({
  ...{ site: name, group, targetRelease: 1, targetTreeHash: null, holdReason: null },
  ...{ nodesLive: 1, nodeCount: 1, releases: [1] },
})

const noteOf = async (sites: readonly SiteView[], flags: { readonly group?: string }): Promise<string> => {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() }
  const output = createOutput({
    ...{ json: false, quiet: false, color: false, progress: false, dumbTerminal: false },
    ...streams,
  })
  const connect = async () => ({ sites: async () => sites }) as unknown as JobsApi
  await status({ output, clock: systemClock, interrupts, connect }, flags)
  return String(streams.stderr.read() ?? '')
}

t.test('a group without a site is told with the groups that have one', async (t) => {
  const sites = [site('www', 'edge'), site('docs', 'inner'), site('shop', 'edge')]
  t.equal(await noteOf(sites, { group: 'nope' }), 'no site in group nope (groups: edge, inner)\n')
  t.equal(await noteOf(sites, { group: 'edge' }), '')
  t.match(await noteOf([], { group: 'nope' }), /no site yet; publish one/)
})
