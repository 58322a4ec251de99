import type { Receipt } from '../../src/model/job.js'
import { LabFleet } from '../../test/support/lab.js'
import type { Arrivals, Contender } from '../system/contenders.js'
import { hostsOf } from './hosts.js'

/**
 * Ours: what is measured ends when it is live everywhere; hosts count as done when they say that they have it all. Its
 * links are known before, as after any earlier publish or `engine probe`, unless they are new.
 */
export const engine = (strategy: string, { isNew = false }: { readonly isNew?: boolean } = {}): Contender => ({
  name: isNew ? `engine ${strategy} (new links)` : `engine ${strategy}`,
  scenarios: ['file', 'first', 'update'],
  lacks: async () => null,
  prepare: async (field) => {
    const fleet = new LabFleet(field.directory)
    fleet.start(0)
    for (const host of hostsOf(field)) fleet.start(host)
    await fleet.nodesOnline(field.nodeCount)
    const { code } = isNew ? { code: 0 } : await fleet.engine(['probe', '--group', 'edge'])
    if (code !== 0) throw new Error(`links cannot be measured: probe ended with ${code}${fleet.story()}`)
    let published: string | null = null
    return {
      run: async () => {
        // The content is where the source is, as it is for the others.
        const how = ['--no-upload', '--strategy', strategy, '--max-delete', '100%']
        const outcome = await fleet.publish(field.content, ...how).exited
        if (outcome.code !== 0) throw new Error(`publish ended with ${outcome.code}: ${outcome.stderr}${fleet.story()}`)
        published = outcome.stdout.trim().split('\n').at(-1) ?? '{}'
      },
      arrivals: async () => {
        const { job } = JSON.parse(published ?? '{}') as { job?: { id: string } }
        return arrivalsOf(fleet, job?.id ?? '')
      },
      copyOf: (host) => fleet.liveOf(host, 'www'),
      close: () => fleet.stopAll(),
    }
  },
})

async function arrivalsOf(fleet: LabFleet, jobId: string): Promise<Arrivals> {
  const { items } = JSON.parse((await fleet.engine(['receipts', jobId, '--json'])).stdout) as {
    items: readonly (Receipt & { at: string })[]
  }
  const receipts = items.filter(({ kind, command }) => kind === 'receipt' && command === 'publish')
  return new Map(receipts.map(({ nodeName, at }) => [Number(nodeName.slice(1)), Date.parse(at)]))
}
