import { EngineError, toEngineError } from '../base/errors.js'
import { lastOfRun, pendingEdits } from '../model/edit.js'
import type { JobCommand } from '../model/job.js'
import { forget } from './ending.js'
import type { Draft, LiveJob } from './live-job.js'
import { baseOf, type ToPack } from './packing.js'
import { advance, inBackground, ownRelease, refreshSite, type World } from './world.js'

/**
 * Applies the edits of a job that are in no committed release, with those that follow, to what is live: the ones up
 * to this command can be done, or the first that cannot is what this throws.
 * @throws {EngineError} ENGINE_ERR_EDIT_REFUSED, ENGINE_ERR_PATH_UNKNOWN, ENGINE_ERR_SHADOW_DAMAGED.
 */
export async function checkDraft(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  const through = lastOfRun(job.commands, command)
  const isKnown = job.draft !== null && job.draft.through >= command.number
  const draft = isKnown && job.draft !== null ? job.draft : await draftOf(world, job, through)
  job.draft = draft
  if (draft.failed !== null && draft.failed.number <= command.number) throw draft.failed.error
}

async function draftOf(world: World, job: LiveJob, through: number): Promise<Draft> {
  const edits = pendingEdits(job.commands, through)
  const base = await liveOf(world, job.record.site)
  const timed = edits.map(({ request, createdAtMs }) => ({ ...request, atNs: `${createdAtMs}000000` }))
  try {
    return { through, treePath: await world.content.edit(job.id, base, timed), failed: null }
  } catch (caught) {
    const error = toEngineError(caught)
    const number = edits[Number(error.details['edit'])]?.number
    if (number === undefined) throw error
    return { through, treePath: '', failed: { number, error } }
  }
}

/** What is edited: the live release, of which the shadow has the manifest. Null: nothing is live yet. */
async function liveOf(world: World, site: string) {
  const base = await baseOf(world, site)
  if (base !== null) return { site, ...base }
  const target = world.sites.get(site)?.record.target ?? null
  if (target === null) return null
  const why = 'edits are made of a whole copy here'
  const hint = 'publish the whole site from where it comes from; edits work again from there on'
  throw new EngineError('ENGINE_ERR_SHADOW_DAMAGED', { site, release: target.release, why }, { hint })
}

/** What an earlier run of edits has staged is in the next one, which takes its place: it goes everywhere. */
export async function abandonStaged(world: World, job: LiveJob): Promise<void> {
  const { site, state } = job.record
  if (state !== 'packing' && state !== 'staged' && state !== 'distributing') return
  const release = await ownRelease(world, job)
  const doomed = release === null ? [] : await world.store.assignments.list({ site, release })
  await advance(
    world,
    job,
    { type: 'interrupted' },
    {
      async write(tables) {
        if (release !== null) await tables.releases.setHeld(site, release, false)
        for (const { id } of doomed) await tables.assignments.remove(id)
      },
    },
  )
  await refreshSite(world, site)
  for (const { id, release: made } of doomed) forget(world, { assignmentId: id, site, release: made }, job)
  inBackground(world, 'removing what later edits replace', async () => {
    for (const { serial } of doomed) await world.content.dropAssignment(serial)
    if (release !== null) await world.content.shadow.drop(site, release)
  })
}

/**
 * What the edits of a job come to, with the contents that they put.
 * @throws {EngineError} ENGINE_ERR_CONTENT_MISSING.
 */
export async function editsToPack(world: World, job: LiveJob): Promise<ToPack> {
  const { site } = job.record
  const { through, treePath } = job.draft ?? { through: 0, treePath: '' }
  const requests = pendingEdits(job.commands, through).map(({ request }) => request)
  const upload = await world.uploads.sourceOf(site, treePath, (digest) => {
    const put = requests.find((each) => each.type === 'put' && each.digest === digest)
    return put?.path ?? site
  })
  const filesNamed = requests.filter((each) => each.type === 'remove' && !each.recursive).length
  return { directory: `${site} after these edits`, upload, filesNamed }
}
