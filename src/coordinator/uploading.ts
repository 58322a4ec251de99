import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import type { UploadsDoor } from '../control/door/uploads.js'
import type { BlobView } from '../model/upload.js'
import type { HeldRelease } from '../native/content.js'
import { Uploads, type UploadSource } from '../uploads/index.js'
import type { LiveJob } from './live-job.js'
import type { OpeningOptions } from './opening.js'
import { inBackground, type World } from './world.js'

/** Brings contents of an embedding program to its coordinator. */
export const storeIn =
  ({ uploads }: { readonly uploads: UploadsDoor }) =>
  (site: string, content: Blob | ReadableStream): Promise<BlobView> =>
    uploads.putContent(site, Readable.fromWeb(content instanceof Blob ? content.stream() : (content as WebStream)))

/** Opens the uploads of a coordinator; `world` is asked for once something comes in. */
export function openUploads(
  world: () => World,
  { dataDir, uploads, clock, log, metrics }: OpeningOptions,
): Promise<Uploads> {
  return Uploads.open({
    directory: join(dataDir, 'uploads'),
    limits: uploads,
    clock,
    log: log.child({ room: 'uploads' }),
    metrics,
    held: (site) => heldReleases(world(), site),
    jobsOf: (directory) =>
      [...world().jobs.values()].filter((job) => directoriesOf(job).includes(directory)).map(({ id }) => id),
    isPinned: (site, digest) => [...world().jobs.values()].some((job) => contentsOf(job, site).includes(digest)),
  })
}

/** Releases of the shadow that are whole: what they have need not be sent. */
async function heldReleases({ content }: World, site: string): Promise<readonly HeldRelease[]> {
  const { paths } = content
  const releases = (await content.shadow.standing(site)).map((release) => ({
    directory: paths.release(site, release),
    treePath: paths.tree(site, release),
  }))
  return releases.filter(({ treePath }) => existsSync(treePath))
}

/** What a job's packing reads when its directory stands for an upload; null: it is a directory. */
export async function uploadOf({ uploads }: World, directory: string): Promise<UploadSource | null> {
  return uploads.owns(directory) ? uploads.begin(directory) : null
}

/**
 * A job is over: what it published is in the shadow, and its upload has done its work. What failed, or was not come to,
 * is kept.
 */
export async function releaseUpload({ uploads }: World, { record, commands }: LiveJob): Promise<void> {
  const { state, site } = record
  if (state !== 'succeeded' && state !== 'partial') return
  const done = { record, commands: commands.filter((command) => command.state === 'completed') }
  for (const directory of directoriesOf(done)) if (uploads.owns(directory)) await uploads.release(directory)
  await uploads.letGo(site, contentsOf(done, site))
}

/** The contents of a site that a job puts, by digest. */
const contentsOf = ({ commands, record }: Pick<LiveJob, 'commands' | 'record'>, site: string): readonly string[] =>
  record.site === site ? commands.flatMap(({ request }) => (request.type === 'put' ? [request.digest] : [])) : []

/** The directories that a job publishes, or stand for what it does. */
const directoriesOf = ({ commands }: Pick<LiveJob, 'commands'>): readonly string[] =>
  commands.flatMap(({ request }) =>
    request.type === 'publish' && request.directory !== null ? [request.directory] : [],
  )

/** Ends jobs that wait in vain for the rest of their upload; drops uploads that lay idle. */
export function lookAtUploads(world: World): void {
  for (const { record, controller, next } of world.jobs.values()) {
    const { state, assignment } = record
    const directory = next?.request.type === 'publish' ? next.request.directory : null
    const isPacking = state === 'packing' || (state === 'distributing' && (assignment?.streamBytes ?? null) === null)
    if (!isPacking || directory === null || !world.uploads.owns(directory)) continue
    const error = world.uploads.stalled(directory)
    if (error !== null) controller.abort(error)
  }
  inBackground(world, 'dropping idle uploads', () => world.uploads.sweep())
}
