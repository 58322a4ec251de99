// Plays one schedule of the soak and judges what has come of it.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFinal } from '../../../src/jobs/job.js'
import type { JobView } from '../../../src/model/job.js'
import { lookAtEnd, lookAtRest } from './judge.js'
import { groupOf, joinerOf, type Place, siteOf } from './place.js'
import { type Fault, RATE_MIB_PER_S, type Schedule } from './schedule.js'

/** Longest wait for anything: a dead node is waited for 10 s, a frozen one 15, and machines of CI are slow. */
const WAIT_MS = 90_000
/** Who is to be back when all others are ready is back after this long all the same. */
const LATE_MS_MAX = 6000
const LOOK_MS = 50

/** A wait that came to nothing. */
class InVain extends Error {}

async function until<T>(claim: string, ask: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const end = performance.now() + WAIT_MS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new InVain(`in vain for ${WAIT_MS / 1000} s: ${claim}`)
    await sleep(LOOK_MS)
  }
}

/** One schedule on its way. */
export class Play {
  readonly #place: Place
  readonly #schedule: Schedule
  readonly #site: string
  /** Nodes that are dead, frozen or cut off now. */
  readonly #unwell = new Set<string>()
  /** Nodes that must have the release in the end. */
  readonly #names: Set<string>
  /** Who was not well at any time: only those may a job give up. */
  readonly #harmed = new Set<string>()
  /** How its job ended. */
  ending = 'without an end'
  #jobId: string | null = null
  #isOver = false

  constructor(place: Place, schedule: Schedule) {
    this.#place = place
    this.#schedule = schedule
    this.#site = siteOf(schedule)
    this.#names = new Set(Array.from({ length: schedule.nodes }, (_, at) => `n${at + 1}`))
  }

  /** @returns what was wrong, a line each; none: all is well. */
  async run(): Promise<readonly string[]> {
    try {
      return await this.#play()
    } catch (error) {
      return [error instanceof InVain ? error.message : String(error instanceof Error ? error.stack : error)]
    }
  }

  /** What every process is doing. */
  story(): Promise<string> {
    return this.#place.story(this.#jobId)
  }

  async #play(): Promise<readonly string[]> {
    const staging = this.#fill()
    const id = await this.#publish(staging)
    await until('somebody receives something', async () => {
      const job = await this.#job(id)
      return job !== undefined && (isFinal(job.state) || job.nodes.some(({ bytesHave }) => bytesHave > 0))
    })
    const faults = this.#schedule.faults.map((fault) => this.#happen(fault))
    const job = await until('the job comes to its end', async () => {
      const seen = await this.#job(id)
      return seen !== undefined && isFinal(seen.state) && seen
    })
    this.ending = job.state
    const found = lookAtEnd(this.#place, { job, staging, site: this.#site, harmed: this.#harmed })
    this.#isOver = true
    await Promise.all(faults)
    const rest = { staging, site: this.#site, names: this.#names, job }
    const stillWrong = await this.#settled(() => lookAtRest(this.#place, rest))
    const joiner = joinerOf(this.#schedule)
    const ended = this.#names.has(joiner) ? await this.#place.end(joiner) : []
    return [...found, ...stillWrong, ...ended]
  }

  /** Looks until nothing is wrong any more. @returns what still is after the longest wait. */
  async #settled(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
    let wrong: readonly string[] = []
    try {
      await until('all comes right', async () => {
        wrong = await look()
        return wrong.length === 0
      })
      return []
    } catch (error) {
      if (!(error instanceof InVain)) throw error
      return wrong.map((line) => `still after ${WAIT_MS / 1000} s: ${line}`)
    }
  }

  #fill(): string {
    const staging = this.#place.staging(this.#schedule)
    writeFileSync(`${staging}/index.html`, this.#site)
    writeFileSync(`${staging}/deep/er/empty`, '')
    writeFileSync(`${staging}/deep/payload.bin`, randomBytes(this.#schedule.sizeBytes))
    for (let at = 0; at < 10; at++) writeFileSync(`${staging}/deep/${at}`, randomBytes(at * 500))
    return staging
  }

  async #publish(directory: string): Promise<string> {
    const { strategy, fanout, commit } = this.#schedule
    const { client } = this.#place
    const job = await client.openJob({
      ...{ site: this.#site, group: groupOf(this.#schedule), strategy, commit, quorum: 0.01 },
      ...(fanout === null ? {} : { fanout }),
      commands: [{ type: 'publish', directory, upload: null }, { type: 'commit' }, { type: 'end-job' }],
      idempotencyKey: this.#site,
    })
    this.#jobId = job.id
    return job.id
  }

  #job(id: string): Promise<JobView | undefined> {
    return this.#place.ask(() => this.#place.client.job(id))
  }

  async #happen(fault: Fault): Promise<void> {
    await sleep(fault.atMs)
    if (fault.kind === 'join') {
      const name = joinerOf(this.#schedule)
      this.#names.add(name)
      this.#place.start(name, [groupOf(this.#schedule)])
      return
    }
    const name = fault.node === 0 ? 'coordinator' : `n${fault.node}`
    if (fault.kind === 'slow') {
      await this.#limit(name, '200k')
      await this.#mended(fault)
      await this.#limit(name, `${RATE_MIB_PER_S}M`)
      return
    }
    this.#unwell.add(name)
    this.#harmed.add(name)
    await this.#harm(fault, name)
    await this.#mended(fault)
    await this.#mend(fault, name)
    this.#unwell.delete(name)
  }

  async #harm({ kind }: Fault, name: string): Promise<void> {
    const { fleet } = this.#place
    if (kind === 'stop') process.kill(fleet.process(name).pid, 'SIGSTOP')
    else if (kind === 'cut') this.#place.way(name)?.cut()
    else await fleet.stop(name, 'SIGKILL')
  }

  async #mend({ kind }: Fault, name: string): Promise<void> {
    const { fleet } = this.#place
    if (kind === 'stop') process.kill(fleet.process(name).pid, 'SIGCONT')
    else if (kind === 'cut') this.#place.way(name)?.mend()
    else this.#place.start(name)
  }

  /** A coordinator that is away, or cannot reach the node, limits nobody; that is no fault. */
  async #limit(name: string, bandwidth: string): Promise<void> {
    await this.#place.client.setLimit(name, bandwidth).catch(() => {})
  }

  async #mended({ until: ending }: Fault): Promise<void> {
    if (typeof ending === 'number') {
      await sleep(ending)
      return
    }
    const end = performance.now() + (ending === 'late' ? LATE_MS_MAX : WAIT_MS)
    const isTime = (): boolean => this.#isOver || (ending === 'late' && this.#isHeldByTheOthers())
    while (!isTime() && performance.now() < end) await sleep(LOOK_MS)
  }

  #isHeldByTheOthers(): boolean {
    return [...this.#names].every((name) => this.#unwell.has(name) || this.#place.holds(name, this.#site))
  }
}
