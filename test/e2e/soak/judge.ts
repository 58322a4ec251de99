// What must be true of a schedule of the soak: when its job is over, and when all faults are mended.
import { readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { JobNode, JobView, Receipt } from '../../../src/model/job.js'
import { linesOf } from '../../support/trees.js'
import type { Place } from './place.js'

/** Where a copy differs from what was staged; null: nowhere. */
function difference(place: Place, staging: string, name: string, site: string): string | null {
  const live = place.fleet.liveOf(name, site)
  let copy: readonly string[]
  try {
    copy = linesOf(join(dirname(live), readlinkSync(live)))
  } catch (error) {
    return `nothing is live (${(error as NodeJS.ErrnoException).code})`
  }
  const wanted = linesOf(staging)
  const other = [...copy.filter((line) => !wanted.includes(line)), ...wanted.filter((line) => !copy.includes(line))]
  return other.length === 0 ? null : `its copy is not what was staged: ${other.join('; ')}`
}

interface End {
  readonly job: JobView
  readonly staging: string
  readonly site: string
  /** Who was dead, frozen or cut off, and the coordinator where that was. */
  readonly harmed: ReadonlySet<string>
}

/** What a job says of a node that is not so. */
function untrueOf(place: Place, { job, staging, site, harmed }: End, node: JobNode): readonly string[] {
  const { name, state, reason } = node
  if (state === 'live') {
    const wrong = difference(place, staging, name, site)
    return wrong === null ? [] : [`the job says that ${name} is live, but ${wrong}`]
  }
  const facts = `${name} is ${state} (${reason}) at the end of a job that is ${job.state}`
  if (state !== 'behind') return [facts]
  // Who has just joined may be late; whoever else is well must not be given up.
  return harmed.has(name) || harmed.has('coordinator') || name.startsWith('j') ? [] : [`${facts}, but it was well`]
}

/** What is not as the job says that is over. */
export function lookAtEnd(place: Place, end: End): readonly string[] {
  const { job } = end
  const wrong = job.nodes.flatMap((node) => untrueOf(place, end, node))
  const isAll = job.nodes.every(({ state }) => state === 'live')
  if (job.state !== (isAll ? 'succeeded' : 'partial')) {
    wrong.push(`the job is ${job.state} (${job.error?.message ?? 'no error'})`)
  }
  return wrong
}

interface Rest {
  readonly staging: string
  readonly site: string
  readonly names: ReadonlySet<string>
  /** As it ended. */
  readonly job: JobView
}

const done = (receipts: readonly Receipt[], name: string, command: string): readonly Receipt[] =>
  receipts.filter((each) => each.nodeName === name && each.command === command && each.kind === 'completion')

/** Records of a job that say too little, too much or something else than others. */
function wrongIn(receipts: readonly Receipt[], { job }: Rest): readonly string[] {
  const wrong: string[] = []
  for (const { name, state } of job.nodes) {
    for (const command of ['publish', 'commit']) {
      const count = done(receipts, name, command).length
      if (count > 1 || (count === 0 && state === 'live')) wrong.push(`${name} did ${command} ${count} times on record`)
    }
  }
  const hashes = new Set(receipts.map(({ treeHash }) => treeHash).filter((hash) => hash !== null))
  if (hashes.size !== 1) wrong.push(`records name ${hashes.size} trees`)
  return wrong
}

/** What is not right yet; after a while it must be nothing. */
export async function lookAtRest(place: Place, rest: Rest): Promise<readonly string[]> {
  const { staging, site, names, job } = rest
  const copies = [...names].flatMap((name) => {
    const wrong = difference(place, staging, name, site)
    return wrong === null ? [] : [`${name}: ${wrong}`]
  })
  if (copies.length > 0) return copies
  const told = await place.ask(async () => {
    const [sites, nodes, receipts] = await Promise.all([
      place.client.sites(),
      place.client.nodes(),
      place.client.receipts(job.id),
    ])
    return { sites, nodes, receipts }
  })
  if (told === undefined) return ['the coordinator does not answer']
  const { nodesLive, nodeCount } = told.sites.find((each) => each.site === site) ?? { nodesLive: 0, nodeCount: 0 }
  const wrong = [...wrongIn(told.receipts, rest)]
  if (nodesLive !== names.size || nodeCount !== names.size) {
    wrong.push(`${site} is live on ${nodesLive}/${nodeCount} nodes on record, and has ${names.size}`)
  }
  for (const name of names) {
    if (told.nodes.find((node) => node.name === name)?.online !== true) wrong.push(`${name} is not connected`)
  }
  return wrong
}
