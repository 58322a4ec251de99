// Clients that ask for jobs, add to them and abort some, each request once or several times under one key, and again
// until it is answered. What was answered is kept: nothing of it may be lost.
import { EngineError, isErrorCode, errorTable } from '../../src/base/errors.js'
import { CANARY_BAKE_MS_MIN } from '../../src/base/policy-limits.js'
import type { Random } from '../../src/base/random.js'
import type { CoordinatorDoor } from '../../src/control/door.js'
import { isFinal } from '../../src/jobs/job.js'
import type { CommandRequest, JobPolicy, JobView } from '../../src/model/job.js'
import type { Life } from './clock.js'
import type { SimCoordinator } from './coordinator.js'

/** Commands that a client asked for, in one request. */
interface Added {
  readonly requests: readonly CommandRequest[]
  isAcked: boolean
}

/** One job as its client knows it. */
export interface AskedJob {
  readonly key: string
  readonly site: string
  readonly quorum: number
  readonly added: Added[]
  jobId: string | null
  isAbortAcked: boolean
  /** Nothing is left to be asked. */
  isFinished: boolean
}

export interface ClientsOptions {
  readonly coordinator: SimCoordinator
  /** Never ends. */
  readonly clock: Life
  readonly random: Random
  /** Where canaries are drawn from; null: every job goes to all nodes at once. */
  readonly canaries: Random | null
  /** The groups that serve the sites, by site. */
  readonly sites: ReadonlyMap<string, string>
  readonly note: (text: string) => void
  readonly onBroken: (what: string) => void
}

const publish = (random: Random): CommandRequest => ({
  type: 'publish',
  directory: null,
  upload: random.bytes(16).toString('hex'),
})
const hook: CommandRequest = { type: 'run-hook', hook: 'work', args: {} }
const commit: CommandRequest = { type: 'commit' }
const end: CommandRequest = { type: 'end-job' }

/** What one session will ask for, request by request. */
function script(random: Random): readonly (readonly CommandRequest[])[] {
  const whole = [publish(random), commit]
  switch (random.below(6)) {
    case 0:
      return [[...whole, end]]
    case 1:
      return [[...whole, hook, end]]
    case 2:
      return [[hook, hook, end]]
    case 3:
      return [[{ type: 'rollback', release: null }, end]]
    case 4:
      return [[publish(random)], [hook], [commit], [hook, end]]
    default:
      return [[], [publish(random), commit], [hook], [publish(random), commit], [end]]
  }
}

/** Some of the sessions that commit let some nodes go first. */
function canaryOf(random: Random | null, requests: readonly CommandRequest[]): Pick<JobPolicy, 'canary'> {
  if (random === null || !requests.some(({ type }) => type === 'commit') || random.next() < 0.3) return {}
  const whom = random.next() < 0.5 ? { count: 1 + random.below(2) } : { share: 0.3 }
  return { canary: { ...whom, bakeMs: CANARY_BAKE_MS_MIN + random.below(6000) } }
}

export class Clients {
  readonly jobs: AskedJob[] = []
  readonly #options: ClientsOptions
  #underWay = 0
  #count = 0

  constructor(options: ClientsOptions) {
    this.#options = options
  }

  /** Nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#underWay === 0
  }

  /** One session of one client, from its first request to its last. */
  begin(site: string): void {
    this.#count += 1
    const { random } = this.#options
    const quorum = [0, 0.5, 0.8][random.below(3)] ?? 0.5
    const asked: AskedJob = {
      key: `s${this.#count}`,
      site,
      quorum,
      added: [],
      jobId: null,
      isAbortAcked: false,
      isFinished: false,
    }
    this.jobs.push(asked)
    this.#run(() => this.#session(asked))
  }

  /** Ends what nobody will end: every job that waits for commands. */
  finishAll(): void {
    if (!this.isIdle) return
    for (const asked of this.jobs) {
      if (asked.jobId !== null && !asked.isAbortAcked && !asked.isFinished) this.#run(() => this.#finish(asked))
    }
  }

  #run(work: () => Promise<void>): void {
    this.#underWay += 1
    void work()
      .catch((error: unknown) => this.#options.onBroken(`a client failed: ${String(error)}`))
      .finally(() => {
        this.#underWay -= 1
      })
  }

  async #session(asked: AskedJob): Promise<void> {
    const { random, clock, sites, canaries } = this.#options
    const { site, key, quorum } = asked
    const [first = [], ...rest] = script(random)
    // A rollback holds its site until somebody says that it may go on.
    if (random.next() < 0.3)
      await this.#once(`${key} resumes ${site}`, (door) => door.resumeSite(site, { reason: key }))
    // Somebody was here before: there may be something to go back to.
    const isFirst = !this.jobs.some((other) => other.site === site && other.jobId !== null)
    const canary = canaryOf(isFirst ? null : canaries, [first, ...rest].flat())
    const policy = { maxDeleteRatio: 1, allowEmpty: true, quorum, strategy: 'braid', ...canary } as const
    const group = sites.get(site) ?? null
    const opened = { requests: first, isAcked: false }
    asked.added.push(opened)
    const request = { site, group, only: null, reason: key, policy, commands: first }
    const view = await this.#ask(`${key} opens a job for ${site}`, asked, (door) => door.createJob(request, key))
    if (view === null) return
    opened.isAcked = true
    asked.jobId = view.id
    const aborts = random.next() < 0.2
    if (aborts) this.#run(() => this.#abort(asked, view.id))
    for (const [index, requests] of rest.entries()) {
      await clock.sleep(random.below(6000))
      await this.#add(asked, requests, `${key}-${index}`)
    }
  }

  async #add(asked: AskedJob, requests: readonly CommandRequest[], key: string): Promise<boolean> {
    const { jobId } = asked
    if (jobId === null) return false
    const added = { requests, isAcked: false }
    asked.added.push(added)
    const types = requests.map(({ type }) => type).join(', ')
    const ask = (door: CoordinatorDoor): Promise<JobView> => door.addCommands(jobId, requests, key)
    const view = await this.#ask(`${key} adds ${types} to ${jobId}`, asked, ask)
    added.isAcked = view !== null
    return added.isAcked
  }

  async #abort(asked: AskedJob, jobId: string): Promise<void> {
    const { random, clock } = this.#options
    await clock.sleep(random.below(5000))
    await this.#abortNow(asked, jobId)
  }

  async #abortNow(asked: AskedJob, jobId: string): Promise<void> {
    const view = await this.#ask(`${asked.key} aborts ${jobId}`, asked, (door) => door.abortJob(jobId))
    // One that has switched and waits for nodes only waits no longer.
    asked.isAbortAcked = view !== null && !['ending', 'succeeded', 'partial'].includes(view.state)
  }

  async #finish(asked: AskedJob): Promise<void> {
    const { jobId, key } = asked
    if (jobId === null) return
    const view = await this.#ask(`${key} looks`, asked, (door) => door.getJob(jobId))
    if (view === null) return
    if (view.waitsFor?.startsWith('hold') === true) {
      await this.#once(`${key} resumes ${asked.site}`, (door) => door.resumeSite(asked.site, { reason: key }))
    }
    const hasEnd = view.commands.some(({ request }) => request.type === 'end-job')
    // One that waits for its site may find it held when its turn comes.
    asked.isFinished = isFinal(view.state) || (hasEnd && view.state !== 'queued')
    if (asked.isFinished || hasEnd) return
    const staged = view.commands.filter(({ request: { type } }) => type === 'publish' || type === 'commit').at(-1)
    const isAdded = await this.#add(asked, staged?.request.type === 'publish' ? [commit, end] : [end], `${key}-end`)
    // A hold keeps the site as it is: what is staged will not be committed.
    if (!isAdded) await this.#abortNow(asked, jobId)
  }

  /** Asks until it is answered, often more than once; null: refused. */
  async #ask(what: string, asked: AskedJob, ask: (door: CoordinatorDoor) => Promise<JobView>): Promise<JobView | null> {
    const { random, note, onBroken } = this.#options
    const times = random.next() < 0.3 ? 2 + random.below(2) : 1
    let answer: JobView | null = null
    for (let i = 0; i < times; i++) {
      const again = await this.#once(what, ask)
      if (answer !== null && again !== null && again.id !== answer.id) {
        onBroken(`I6: ${asked.key} made two jobs under one key: ${answer.id}, ${again.id}`)
      }
      answer ??= again
    }
    note(`${what}: ${answer === null ? 'refused' : `${answer.id} ${answer.state}`}`)
    return answer
  }

  async #once<T>(what: string, ask: (door: CoordinatorDoor) => Promise<T>): Promise<T | null> {
    const { coordinator, clock, random, note } = this.#options
    for (let attempts = 0; attempts < 200; attempts++) {
      await clock.sleep(1 + random.below(attempts === 0 ? 30 : 1000))
      const { running } = coordinator
      if (running === null) continue
      const { life, door } = running
      try {
        const answer = await Promise.race([ask(door), life.died])
        if (life.isAlive) return answer
      } catch (error) {
        if (!life.isAlive) continue
        const code = error instanceof EngineError ? error.code : ''
        if (!isErrorCode(code) || code === 'ENGINE_ERR_INTERNAL') throw error
        if (!errorTable[code].retryable) {
          note(`${what}: ${code}`)
          return null
        }
      }
    }
    return null
  }
}
