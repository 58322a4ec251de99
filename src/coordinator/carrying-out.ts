import { assert } from '../base/assert.js'
import { EngineError } from '../base/errors.js'
import { lastOfRun } from '../model/edit.js'
import type { CommandRequest, JobCommand } from '../model/job.js'
import { neededShare } from '../jobs/quorum.js'
import { requireQuorum } from './audience.js'
import { bake } from './canaries.js'
import { decide, settle } from './committing.js'
import { enoughReady } from './distributing.js'
import { finish } from './ending.js'
import { executeEverywhere, takeUpOwed } from './executing.js'
import type { LiveJob } from './live-job.js'
import { abandonStaged, checkDraft, editsToPack } from './editing.js'
import { packJob, timed, type ToPack } from './packing.js'
import { prepareRollback } from './rolling-back.js'
import { uploadOf } from './uploading.js'
import { advance, type World } from './world.js'

/**
 * Carries one command of a job out, from where it stands: the last life of the coordinator may have begun it.
 * @throws {EngineError} what makes the job fail; nothing that was not decided has switched.
 */
export async function carryOut(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  const { request } = command
  switch (request.type) {
    case 'publish':
      return publish(world, job, command, request)
    case 'put':
    case 'mkdir':
    case 'set-properties':
    case 'remove':
      return edit(world, job, command)
    case 'commit':
      return commit(world, job, command)
    case 'rollback':
      return rollBack(world, job, command, request)
    case 'run-hook':
    case 'verify':
      return execute(world, job, command)
    case 'end-job':
      return finish(world, job, command)
  }
}

/** Brings a job that has nothing under way into the state in which it waits; what was deferred is durable then. */
export async function rest(world: World, job: LiveJob): Promise<void> {
  switch (job.record.state) {
    case 'queued':
      return advance(world, job, { type: 'started' })
    case 'packing':
    case 'distributing':
      return advance(world, job, { type: 'staged' })
    case 'committing':
      return advance(world, job, { type: 'settled' })
    default:
      return
  }
}

/** A commit that follows in the same breath makes what is done durable together with its decision. */
function completed(world: World, job: LiveJob, { number }: JobCommand): void {
  const release = job.record.release
  job.defer({ number, state: 'completed', release, finishedAtMs: world.clock.nowMs() })
}

const begun = (world: World, { number, startedAtMs }: JobCommand) =>
  ({ number, state: 'in-progress', startedAtMs: startedAtMs ?? world.clock.nowMs() }) as const

type RequestOf<T extends CommandRequest['type']> = Extract<CommandRequest, { type: T }>

async function publish(
  world: World,
  job: LiveJob,
  command: JobCommand,
  { directory }: RequestOf<'publish'>,
): Promise<void> {
  assert(directory !== null, 'a publish that was accepted has a directory', { jobId: job.id })
  await bring(world, job, command, async () => {
    return { directory, upload: await uploadOf(world, directory), filesNamed: null }
  })
}

/** An edit that others follow at once is brought to the nodes with the last of them, in one release. */
async function edit(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  if (job.record.state === 'distributing' && command.state !== 'new') return bring(world, job, command, null)
  // One that has decided is to be over with that before it may fail.
  if (job.record.state === 'committing') await rest(world, job)
  await checkDraft(world, job, command)
  if (lastOfRun(job.commands, command) > command.number) {
    const atMs = world.clock.nowMs()
    job.defer({
      number: command.number,
      state: 'completed',
      startedAtMs: command.startedAtMs ?? atMs,
      finishedAtMs: atMs,
    })
    return
  }
  await abandonStaged(world, job)
  await bring(world, job, command, () => editsToPack(world, job))
}

/** Packs what a command brings, unless that is done, and sees it staged. */
async function bring(
  world: World,
  job: LiveJob,
  command: JobCommand,
  toPack: (() => Promise<ToPack>) | null,
): Promise<void> {
  if (toPack !== null && (job.record.state !== 'distributing' || command.state === 'new')) {
    if (job.record.state === 'committing') await rest(world, job)
    job.renewParts(world.clock.monotonicMs())
    job.shadowStaged = false
    await advance(world, job, { type: 'packing' }, { commands: [begun(world, command)], patch: { treeHash: null } })
    requireQuorum(world, job.record, neededShare(job.record.policy))
    world.wording.tell(job)
    if ((await packJob(world, job, await toPack())) === 'identical') {
      completed(world, job, command)
      return
    }
  }
  await timed(world, job, 'distribute', async () => {
    job.allPackedAtMs = world.clock.monotonicMs()
    // Where each node goes live by itself, the decision comes before they are ready.
    if (!decidesNext(job, command)) await enoughReady(world, job)
  })
  completed(world, job, command)
}

const isEach = ({ record }: LiveJob): boolean => record.policy.commit === 'each'

const decidesNext = (job: LiveJob, { number }: JobCommand): boolean =>
  isEach(job) && job.commands.find((each) => each.number > number)?.request.type === 'commit'

async function commit(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  if (job.record.state !== 'committing') {
    if (job.record.assignment !== null && !isEach(job)) await enoughReady(world, job)
    if (job.record.policy.canary !== undefined) {
      await rest(world, job)
      await bake(world, job, command)
    }
    await decide(world, job, command, begun(world, command))
  }
  await timed(world, job, 'commit', () => settle(world, job))
  completed(world, job, command)
}

async function rollBack(
  world: World,
  job: LiveJob,
  command: JobCommand,
  { release }: RequestOf<'rollback'>,
): Promise<void> {
  if (job.record.state === 'committing' && command.state === 'new') await rest(world, job)
  if (job.record.state !== 'committing') {
    await prepareRollback(world, job, release)
    await decide(world, job, command, begun(world, command))
  }
  await timed(world, job, 'commit', () => settle(world, job))
  completed(world, job, command)
}

async function execute(world: World, job: LiveJob, command: JobCommand): Promise<void> {
  await rest(world, job)
  const started = begun(world, command)
  if (command.state === 'new') await advance(world, job, { type: 'executing' }, { commands: [started] })
  let isOwed = false
  try {
    isOwed = await executeEverywhere(world, job, command)
  } catch (error) {
    const isFailure = error instanceof EngineError && error.code === 'ENGINE_ERR_COMMAND_FAILED'
    // What is staged and will not be decided is to go: then the job comes to nothing.
    if (!isFailure || !job.hasSwitched || job.record.state !== 'open') throw error
    // What it made live stays live: the job ends with what failed after it.
    await finish(world, job, command, error)
    await takeUpOwed(world, job, command)
    return
  }
  completed(world, job, command)
  if (!isOwed) return
  // On record at once: a node that says hello from here on is told what it missed.
  await advance(world, job, { type: 'executing' })
  await takeUpOwed(world, job, command)
}
