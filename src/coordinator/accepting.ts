import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import type { z } from 'zod'
import { EngineError } from '../base/errors.js'
import { type HookOwner, requireHook } from '../jobs/hooks.js'
import { neededShare } from '../jobs/quorum.js'
import type { JobEvent } from '../model/event.js'
import { isEdit } from '../model/edit.js'
import { bringsNew, type CommandRequest, type JobCommand, type JobRequest } from '../model/job.js'
import { checkEdits } from '../native/uploads.js'
import type { Callback } from '../model/webhook.js'
import type { JobRecord } from '../store/jobs.js'
import type { SiteRecord } from '../store/sites.js'
import { type Audience, nodesOf, requireQuorum } from './audience.js'
import { isEffect } from './executing.js'
import type { LiveJob } from './live-job.js'
import type { KnownNode } from './roster.js'
import { activeJob, type World } from './world.js'

/** A key that the answer to a request is kept under. */
export interface Answered {
  readonly key: string
  readonly fingerprint: string
}

/** The caller's own part of a scoped key. Pure. */
export const keyOf = (scoped: string): string => scoped.slice(scoped.lastIndexOf(':') + 1)

export function newRecord(id: string, request: JobRequest, audience: Audience, createdAtMs: number): JobRecord {
  const { site, reason, policy } = request
  return {
    ...{ id, site, reason, policy, ...audience, createdAtMs },
    ...{ state: 'queued', release: null, baseRelease: null, treeHash: null, changes: null, assignment: null },
    ...{ error: null, finishedAtMs: null },
  }
}

/** Requests as commands with numbers after those that exist. Pure. */
export function numbered(
  existing: readonly JobCommand[],
  requests: readonly CommandRequest[],
  createdAtMs: number,
): readonly JobCommand[] {
  const last = existing.at(-1)?.number ?? 0
  const fresh = {
    state: 'new',
    release: null,
    error: null,
    createdAtMs,
    startedAtMs: null,
    finishedAtMs: null,
  } as const
  return requests.map((request, index) => ({ number: last + index + 1, request, ...fresh }))
}

/**
 * Who a job is for: whom it names, else who serves its site.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_SITE_UNKNOWN.
 */
export function audienceOf(world: World, { site, group, only, commands }: JobRequest): Audience {
  const record = world.sites.get(site)?.record
  for (const node of only ?? []) requireNode(world, node)
  const isBound = record !== undefined && record.target !== null
  const named = only ?? (isBound ? record.only : null)
  if (isBound) checkAudience(world, { site, only: named }, commands)
  return { group: group ?? record?.group ?? groupOfNew(site, only, commands), only: named }
}

/** Where nodes are named, the group is no more than a label; what brings nothing is for a site that is there. */
function groupOfNew(site: string, only: readonly string[] | null, commands: readonly CommandRequest[]): string {
  if (commands.length > 0 && !commands.some(bringsNew)) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site })
  if (only !== null) return 'default'
  const why = `the first publish of site ${site} says which group of nodes serves it (--group)`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the job', why })
}

function requireNode(world: World, node: string): void {
  if (world.roster.all.some(({ identity }) => identity.name === node)) return
  throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node })
}

/**
 * Who goes first is somebody: a slip in a name would leave the order to chance, and nobody would see it.
 * @throws {EngineError} ENGINE_ERR_NODE_UNKNOWN, naming all of them.
 */
export function checkOrder(world: World, { policy: { order = [] } }: Pick<JobRequest, 'policy'>): void {
  const names = new Set(world.roster.all.map(({ identity }) => identity.name))
  const unknown = order.filter((node) => !names.has(node))
  if (unknown.length > 0) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: unknown.join(', ') })
}

/**
 * A release is for all that serve a site; what nodes carry out by themselves, some of them may be asked for.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT
 */
export function checkAudience(
  world: World,
  { site, only }: Pick<JobRecord, 'site' | 'only'>,
  commands: readonly CommandRequest[],
): void {
  const record = world.sites.get(site)?.record
  if (record === undefined || commands.every(isOnNodes) || isSameList(only, record.only)) return
  throw otherAudience(record)
}

function otherAudience(record: SiteRecord): EngineError {
  const { site } = record
  const why = `site ${site} is served by ${record.only === null ? `group ${record.group}` : record.only.join(', ')}`
  return new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the list of nodes', why })
}

const isSameList = (a: readonly string[] | null, b: readonly string[] | null): boolean =>
  (a === null) === (b === null) && new Set(a).size === new Set(b).size && (a ?? []).every((name) => b?.includes(name))

/** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT for a rollback that nobody says why of. */
export function checkReason(reason: string | null, commands: readonly CommandRequest[]): void {
  if ((reason ?? '').trim() !== '' || !commands.some(({ type }) => type === 'rollback')) return
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the job', why: 'a rollback needs a reason' })
}

/**
 * What a job names is declared by all that it is for, as far as they have told on the connection they have now: who is
 * away may come back with another configuration, and answers for itself.
 * @throws {EngineError} ENGINE_ERR_HOOK_UNKNOWN, ENGINE_ERR_HOOK_ARGUMENTS.
 */
export function checkHooks(
  world: World,
  audience: Audience & { readonly site: string },
  commands: readonly CommandRequest[],
): void {
  const named = commands.filter((request) => request.type === 'run-hook')
  if (named.length === 0) return
  const owners = ownersOf(nodesOf(world, audience))
  for (const { hook, args } of named) requireHook({ hook, site: audience.site, args }, owners)
}

/** What nodes have told of their hooks on the connections they have now. */
export const ownersOf = (nodes: readonly KnownNode[]): readonly HookOwner[] =>
  nodes.map(({ identity, link, hooks }) => ({ name: identity.name, hooks: link === null ? null : hooks }))

/**
 * Refuses a job that would begin now and end at once, since too few nodes answer. One that waits for a time or another
 * job may find more of them then; nodes that a coordinator has not missed for long may be on their way.
 * @throws {EngineError} ENGINE_ERR_GROUP_EMPTY, ENGINE_ERR_QUORUM.
 */
export function checkReachable(world: World, { site, policy, commands }: JobRequest, audience: Audience): void {
  const waits = policy.startAtMs !== undefined || policy.window !== undefined || activeJob(world, site) !== undefined
  if (waits || (commands.length > 0 && commands.every(isOnNodes))) return
  const isRollback = commands.some(({ type }) => type === 'rollback')
  requireQuorum(world, audience, isRollback ? 0 : neededShare(policy))
}

const isOnNodes = (request: CommandRequest): boolean => isEffect(request) || request.type === 'end-job'

/** Writes an accepted job, its commands, its first event, its site and whom its end is told, in one step. */
export function keep(
  world: World,
  job: LiveJob,
  event: JobEvent,
  answered: Answered | null,
  callback: Callback | null,
): Promise<SiteRecord> {
  const { site, group, only, createdAtMs } = job.record
  const makesSite = job.commands.some(({ request }) => bringsNew(request)) || job.commands.length === 0
  return world.store.transaction(async ({ sites, ...tables }) => {
    const known = await (makesSite ? sites.ensure(site, { group, only }, createdAtMs) : sites.require(site))
    if (known.group !== group) {
      const why = `site ${site} belongs to group ${known.group}`
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the group', why })
    }
    // Nothing is live there, and another job makes that of it: it is for whom that one named.
    if (makesSite && known.target === null && !isSameList(known.only, only)) throw otherAudience(known)
    await tables.jobs.create(job.record)
    await tables.commands.add(job.id, job.commands)
    await tables.jobNodes.put(job.id, job.parts)
    await tables.events.append(job.id, event)
    if (callback !== null) await world.announcing.outbox.enqueueFor({ sites, ...tables }, job, callback)
    await world.announcing.announceJob({ sites, ...tables }, 'queued', event.job, createdAtMs)
    if (answered !== null) await tables.answers.put(answered.key, { ...answered, jobId: job.id }, createdAtMs)
    return known
  })
}

/** What an embedding program asks for goes through the same check as what comes over HTTP. */
export function checked<T>(schema: z.ZodType<T>, asked: unknown): T {
  const parsed = schema.safeParse(asked)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const what = issue?.path.join('.') || 'the job'
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why: issue?.message ?? 'it does not fit the schema' })
}

/**
 * Requests with the directory that each publish reads: for an upload the one that stands for it. Edits are checked as
 * far as they can be without what they change, and what they put stays where it is meanwhile.
 */
export async function placed(
  world: World,
  site: string,
  requests: readonly CommandRequest[],
): Promise<readonly CommandRequest[]> {
  const edits = requests.filter(isEdit)
  if (edits.length > 0) checkEdits(edits)
  for (const request of edits) {
    if (request.type === 'put') await world.uploads.touchContent(site, request.digest, request.sizeBytes)
  }
  return Promise.all(
    requests.map(async (request) => {
      if (request.type !== 'publish') return request
      const { directory, upload } = request
      if (upload !== null) return { ...request, directory: await world.uploads.directoryOf(upload, site) }
      if (directory !== null) await requireDirectory(directory, world.content.paths.directory)
      return request
    }),
  )
}

/**
 * A slip in the name is told at once, before a job or a site is made of it; so is a directory that would bring
 * the coordinator's signing key to every node.
 */
async function requireDirectory(path: string, dataDir: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found?.isDirectory() !== true) throw new EngineError('ENGINE_ERR_SOURCE_MISSING', { path })
  const [asked, own] = await Promise.all([realpath(path), realpath(dataDir)])
  if (!isWithin(own, asked) && !isWithin(asked, own)) return
  const relation = isWithin(own, asked) ? 'lies in' : 'contains'
  const why = `${path} ${relation} the coordinator's data directory ${own}, which holds its signing key`
  const hint = `publish a directory outside of ${own} that does not contain it, or move the data directory`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the directory', why }, { hint })
}

/** Both as realpath gives them; a directory is within itself. Pure. */
function isWithin(parent: string, path: string): boolean {
  const way = relative(parent, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
