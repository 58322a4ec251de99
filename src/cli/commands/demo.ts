import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { EngineError } from '../../base/errors.js'
import { formatBytes, formatCount, formatDuration } from '../../base/quantities.js'
import type { JobsApi } from '../../control/door/api.js'
import type { Job } from '../../control/door/jobs.js'
import type { JobView } from '../../model/job.js'
import type { Context } from '../context.js'
import { FLEET_GROUP, LocalFleet } from '../local-fleet.js'
import { JobProgress } from '../progress.js'
import { exitCodeOfSignal, lifetime } from '../signals.js'
import { changeSite, writeSite } from './demo-site.js'
import { flag } from './flag.js'

export interface DemoFlags {
  readonly nodes: string
  readonly segments?: string
  readonly seed: string
  readonly keep?: boolean
}

const SITE = 'demo'
const NODES_MAX = 100
const SEGMENTS_DEFAULT = 3
const DEFAULT_PORT = 7400

const count =
  (max: number) =>
  (text: string): number => {
    const number = Number(text)
    if (Number.isInteger(number) && number >= 1 && number <= max) return number
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `"${text}"`, why: `write a number from 1 to ${max}` })
  }

/** The usual port when it is free, so that commands need no --url; else any. */
const listenAddress = (): Promise<string> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve('127.0.0.1:0'))
    server.listen(DEFAULT_PORT, '127.0.0.1', () => server.close(() => resolve(`127.0.0.1:${DEFAULT_PORT}`)))
  })

interface PlayParts {
  /** Where the sample site is written. */
  readonly staging: string
  /** Ends it before its next step, and while it waits. */
  readonly stop: AbortSignal
}

/** Plays the steps of the demo against a coordinator and says what came of each. */
class Play {
  readonly #context: Context
  readonly #api: JobsApi
  readonly #staging: string
  readonly #stop: AbortSignal
  /** The last event of each job that was shown: its second half does not tell the first again. */
  readonly #told = new Map<string, number>()

  constructor(context: Context, api: JobsApi, parts: PlayParts) {
    this.#context = context
    this.#api = api
    this.#staging = parts.staging
    this.#stop = parts.stop
  }

  async run(seed: number): Promise<void> {
    await writeSite(this.#staging, seed)
    await this.#step('first publish', () => this.#publish(false))
    await changeSite(this.#staging, seed)
    const staged = await this.#step('delta, staged', () => this.#publish(true))
    await this.#step('commit', async () => {
      await this.#api.commit(staged.id)
      return this.#api.attach(staged.id)
    })
    const options = { site: SITE, group: FLEET_GROUP, reason: 'shown by the demo' }
    await this.#step('rollback', () => this.#api.rollback(options))
    // A rollback holds the site, so that no machine publishes the bad release again.
    await this.#api.resume({ site: SITE, reason: 'shown by the demo' })
    const { output } = this.#context
    if (output.json) output.data({ type: 'step', name: 'resume' })
    else output.print(`${output.colors.green('✔')} ${'resume'.padEnd(14)} the hold of ${SITE} is over`)
  }

  #publish(stageOnly: boolean): Promise<Job> {
    return this.#api.publish(this.#staging, { site: SITE, group: FLEET_GROUP, stageOnly })
  }

  async #step(name: string, ask: () => Promise<Job>): Promise<Job> {
    this.#stop.throwIfAborted()
    const job = await ask()
    const { output, clock } = this.#context
    const [beganMs, progress] = [clock.monotonicMs(), new JobProgress(output)]
    let last: JobView | undefined
    for await (const event of job.progress({ sinceId: this.#told.get(job.id) ?? 0, signal: this.#stop })) {
      last = event.job
      this.#told.set(job.id, event.id)
      if (name.endsWith('staged') && last.state === 'staged') break
      progress.show(last, clock.monotonicMs())
    }
    this.#stop.throwIfAborted()
    if (last === undefined) throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'a job told nothing' })
    this.#tell(name, last, clock.monotonicMs() - beganMs)
    return job
  }

  #tell(name: string, job: JobView, tookMs: number): void {
    const { output } = this.#context
    const wanted = name.endsWith('staged') ? 'staged' : 'succeeded'
    if (job.state !== wanted) {
      throw new EngineError('ENGINE_ERR_JOB_FAILED', { jobId: job.id, why: job.error?.message ?? job.state })
    }
    const ready = job.nodes.filter((node) => node.state === 'live' || node.state === 'staged').length
    const sentBytes = name === 'commit' || name === 'rollback' ? 0 : (job.assignment?.streamBytes ?? 0)
    if (output.json) {
      output.data({ type: 'step', name, release: job.release, nodes: ready, sentBytes, tookMs: Math.round(tookMs) })
      return
    }
    const sent = sentBytes === 0 ? 'nothing sent' : `${formatBytes(sentBytes)} to each node`
    const release = `${job.site}@${job.release ?? '?'}`
    output.print(
      `${output.colors.green('✔')} ${name.padEnd(14)} ${release}  ${formatCount(ready, 'node', job.nodes.length)}  ` +
        `${sent}  in ${formatDuration(tookMs)}`,
    )
  }
}

/** `engine demo`: real processes on loopback; nothing of them is left when it ends. */
export async function demo(context: Context, flags: DemoFlags): Promise<number> {
  const { output, clock } = context
  const nodeCount = flag('--nodes', flags.nodes, count(NODES_MAX))
  const segmentCount =
    flags.segments === undefined
      ? Math.min(SEGMENTS_DEFAULT, nodeCount)
      : flag('--segments', flags.segments, count(nodeCount))
  const seed = flag('--seed', flags.seed, count(2 ** 31))
  const life = lifetime(false)
  const stop = new AbortController()
  const beganMs = clock.monotonicMs()
  const directory = await mkdtemp(`${tmpdir()}/distributary-demo-`)
  const segmentOf = (host: number): string => (host === 0 ? 'default' : `segment-${((host - 1) % segmentCount) + 1}`)
  const starting = listenAddress().then((listen) => LocalFleet.start({ directory, nodeCount, segmentOf, listen }))
  let isPlayed = false
  const play = async (): Promise<null> => {
    const fleet = await starting
    stop.signal.throwIfAborted()
    const { Client } = await import('../../control/client.js')
    const staging = `${directory}/staging`
    const api = new Client({ url: fleet.url })
    const steps = new Play(context, api, { staging, stop: stop.signal })
    const size = `${formatCount(nodeCount, 'node')} in ${formatCount(segmentCount, 'segment')}`
    output.note(`coordinator  ${fleet.url}   ${size}`)
    await fleet.gather(api, clock, stop.signal, (online) =>
      output.redraw([`joined: ${formatCount(online, 'node', nodeCount)}`]),
    )
    await steps.run(seed)
    const tookMs = Math.round(clock.monotonicMs() - beganMs)
    if (output.json) output.data({ type: 'result', status: 'success', url: fleet.url, tookMs })
    else output.print(`all of it took ${formatDuration(tookMs)}`)
    isPlayed = true
    if (flags.keep === true) {
      output.note(`still up; try:  engine status --url ${fleet.url}`)
      output.note(`                engine publish ${staging} --site ${SITE} --group ${FLEET_GROUP} --url ${fleet.url}`)
      output.note('Ctrl-C ends it')
      await life.ended
    }
    return null
  }
  const playing = play()
  try {
    const stopped = await Promise.race([playing, life.ended])
    if (stopped === null) return 0
    output.note('stopping')
    return isPlayed ? 0 : exitCodeOfSignal(stopped)
  } finally {
    // The play must not write into the directory that is removed, nor ask a coordinator that is gone.
    stop.abort()
    await playing.catch(() => {})
    // What is still being started is waited for, so that it can be stopped too.
    await (await starting.catch(() => undefined))?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
