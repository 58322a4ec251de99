import { EngineError } from '../base/errors.js'
import { MAX_DELETE_RATIO_DEFAULT, QUORUM_DEFAULT } from '../base/limits.js'
import type { EditRequest } from '../model/edit.js'
import type { CommandRequest, JobPolicy, JobRequest } from '../model/job.js'
import type { OpenOptions, PublishOptions, RollbackOptions } from './door/jobs.js'

const defaultPolicy: JobPolicy = {
  maxDeleteRatio: MAX_DELETE_RATIO_DEFAULT,
  allowEmpty: false,
  quorum: QUORUM_DEFAULT,
  strategy: 'braid',
}

/** What a strategy is told beside its name. */
const wayOf = ({ fanout, order, probe }: Partial<JobPolicy>): Partial<JobPolicy> => ({
  ...(fanout === undefined ? {} : { fanout }),
  ...(order === undefined ? {} : { order }),
  ...(probe === undefined ? {} : { probe }),
})

/** The policy of a job: what its options say, defaults for the rest. */
export function policyOf(options: Partial<JobPolicy>): JobPolicy {
  const { maxDeleteRatio, allowEmpty, quorum, strategy } = { ...defaultPolicy, ...options }
  const { commit, deadlineMs, onConflict, startAtMs, window, canary, periodMs, repair, bwlimit, priority } = options
  return {
    ...{ maxDeleteRatio, allowEmpty, quorum, strategy },
    ...wayOf(options),
    ...(commit === undefined ? {} : { commit }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(onConflict === undefined ? {} : { onConflict }),
    ...(startAtMs === undefined ? {} : { startAtMs }),
    ...(window === undefined ? {} : { window }),
    ...(canary === undefined ? {} : { canary }),
    ...(periodMs === undefined ? {} : { periodMs }),
    ...(repair === undefined ? {} : { repair }),
    ...(bwlimit === undefined ? {} : { bwlimit }),
    ...(priority === undefined ? {} : { priority }),
  }
}

/** The request that opens a job. */
export function openRequest(options: OpenOptions): JobRequest {
  const { site, group, only, reason, commands, callback } = options
  return {
    site,
    group: group ?? null,
    only: only ?? null,
    reason: reason ?? null,
    policy: policyOf(options),
    commands: commands ?? [],
    ...(callback === undefined ? {} : { callback }),
  }
}

/** What is published: a directory on the coordinator's machine, or what an upload describes. */
type Source = Pick<Extract<CommandRequest, { type: 'publish' }>, 'directory' | 'upload'>

export const fromDirectory = (directory: string): Source => ({
  directory: absoluteDirectory(directory),
  upload: null,
})

/** A job that publishes: it makes it live and ends, unless that is left for later. */
export function publishRequest(source: Source, { stageOnly, ...options }: PublishOptions): JobRequest {
  const published: CommandRequest = { type: 'publish', ...source }
  const commands: readonly CommandRequest[] =
    stageOnly === true ? [published] : [published, { type: 'commit' }, { type: 'end-job' }]
  return openRequest({ ...options, commands })
}

/** Edits, made live at once and the job ended unless that is left for later. */
export const editRequests = (edits: readonly EditRequest[], stageOnly = false): readonly CommandRequest[] =>
  stageOnly ? edits : [...edits, { type: 'commit' }, { type: 'end-job' }]

/** A job that goes back to an older release and ends. */
export function rollbackRequest({ release, ...options }: RollbackOptions): JobRequest {
  const commands: readonly CommandRequest[] = [{ type: 'rollback', release: release ?? null }, { type: 'end-job' }]
  return openRequest({ ...options, commands })
}

/** An absolute path of `directory`, seen from where this process stands; browsers have no such place. */
export function absoluteDirectory(directory: string): string {
  const standing = (globalThis as { process?: { cwd?: () => string } }).process?.cwd?.()
  if (!directory.startsWith('/') && standing === undefined) {
    const facts = { what: 'the directory', why: 'it must be an absolute path on the machine of the coordinator' }
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', facts)
  }
  const parts: string[] = []
  for (const part of `${directory.startsWith('/') ? '' : standing}/${directory}`.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
