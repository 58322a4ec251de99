// A coordinator that remembers what it was asked and answers what a test told it to.
import { EngineError } from '../../src/base/errors.js'
import type { AuditQuery, CoordinatorDoor, VersionView } from '../../src/control/door.js'
import type { NodeLink, NodeSession } from '../../src/control/door/channel.js'
import type { FleetFilter } from '../../src/control/door/events.js'
import type { FilesDoor } from '../../src/control/door/files.js'
import type { JobFilter } from '../../src/control/door/jobs.js'
import type { UploadsDoor } from '../../src/control/door/uploads.js'
import type { FromNode, Hello } from '../../src/control/schema/channel.js'
import type { AccountEvent } from '../../src/model/account.js'
import { type AuditPage, type AuditRecord, pageOf } from '../../src/model/audit.js'
import type { HistoryEntry } from '../../src/model/history.js'
import type { JobEvent } from '../../src/model/event.js'
import { type CloudEvent, matchesType } from '../../src/model/fleet-event.js'
import type { CommandRequest, CommandView, JobRequest, JobState, JobView, Receipt } from '../../src/model/job.js'
import type { LimitView } from '../../src/model/bandwidth.js'
import type { NodeView } from '../../src/model/node.js'
import type { ProbeView } from '../../src/model/rate.js'
import type { HoldRequest, ResumeRequest, SiteView } from '../../src/model/site.js'
import type { NodeStateView } from '../../src/model/node-state.js'
import type { VerifyRun, VerifyRunRequest } from '../../src/model/verification.js'
import { FakeWebhooks } from './fake-webhooks.js'
import { jobCommands, publishRequests } from './records.js'

const digits = (digit: string, length: number): string => digit.repeat(length)

export const someNodeId = digits('a', 32)
export const someTreeHash = digits('b', 64)

export function someJob(id: string, state: JobState = 'queued'): JobView {
  const final = ['succeeded', 'partial', 'failed', 'aborted'].includes(state)
  return {
    id,
    site: 'www',
    group: 'edge',
    only: null,
    commands: jobCommands(publishRequests('/srv/www')),
    state,
    release: 2,
    baseRelease: 1,
    reason: null,
    policy: { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' },
    changes: { filesAdded: 1, filesChanged: 2, filesDeleted: 3, fileCount: 10, totalBytes: 2000 },
    assignment: { id: digits('c', 32), serial: 7, chunkBytes: 262144, streamBytes: null },
    createdAtMs: 1_700_000_000_000,
    finishedAtMs: final ? 1_700_000_000_500 : null,
    error: state === 'failed' ? { code: 'ENGINE_ERR_QUORUM', message: '1 of 4 nodes are ready', hint: 'wait' } : null,
    waitsFor: null,
    nodes: [
      { nodeId: someNodeId, name: 'ams-1', segment: 'ams', state: 'live', bytesHave: 9, rateBps: 8, reason: null },
    ],
  }
}

/** What one node's connection told the coordinator. */
export interface Joined {
  readonly link: NodeLink
  readonly hello: Hello
  readonly messages: FromNode[]
  signsOfLife: number
  closed: number
}

export class FakeDoor implements CoordinatorDoor {
  putFile: CoordinatorDoor['putFile'] = async ({ site, path }, { bytes, check }, key = null) => {
    let text = ''
    for await (const piece of bytes) text += String(piece)
    check()
    this.keys.push(key)
    this.calls.push(`put ${site} ${path} ${text}`)
    return someJob('01put')
  }

  readonly requests: JobRequest[] = []
  readonly calls: string[] = []
  /** Idempotency keys, null where there was none. */
  readonly keys: (string | null)[] = []
  readonly jobs = new Map<string, JobView>()
  readonly records: AuditRecord[] = []
  readonly entries: HistoryEntry[] = []
  readonly joined: Joined[] = []
  /** A test that needs uploads puts a room of its own here. */
  uploads = {} as UploadsDoor
  /** A test of files puts its own here. */
  files = {} as FilesDoor
  readonly coordinatorId: string = digits('d', 32)
  readonly webhooks: FakeWebhooks = new FakeWebhooks()
  readonly fleetEvents: CloudEvent[] = []
  filter: JobFilter | null = null
  isReady = true
  /** Thrown by nodeConnected, once set. */
  refusal: EngineError | null = null
  /** Sent to each node that says hello. */
  welcomes = true
  /** Watches under way. */
  watchers = 0
  readonly #events = new Map<string, JobEvent[]>()
  readonly #wake = new Set<() => void>()

  /** Adds an event of a job; watchers hear it. */
  emit(type: JobEvent['type'], job: JobView): JobEvent {
    const events = this.#events.get(job.id) ?? []
    const event = { type, id: (events.at(-1)?.id ?? 0) + 1, atMs: 1_700_000_000_000, job }
    this.jobs.set(job.id, job)
    this.#events.set(job.id, [...events, event])
    for (const wake of [...this.#wake]) wake()
    return event
  }

  async pauseJob(id: string): Promise<JobView> {
    this.calls.push(`pause ${id}`)
    return { ...(await this.getJob(id)), paused: true }
  }

  async resumeJob(id: string): Promise<JobView> {
    this.calls.push(`resume ${id}`)
    return this.getJob(id)
  }

  async limits(): Promise<readonly LimitView[]> {
    return [{ name: 'coordinator', bandwidth: 'off', rateBps: null }]
  }

  async probe(name: string): Promise<readonly ProbeView[]> {
    this.calls.push(`probe ${name}`)
    return [{ from: 'coordinator', to: name, how: 'train', rateBps: 8, spanMs: 1.5, bytes: 9 }]
  }

  async setLimit(name: string, bandwidth: string): Promise<LimitView> {
    this.calls.push(`limit ${name} ${bandwidth}`)
    return { name, bandwidth, rateBps: 8 }
  }

  async createJob(request: JobRequest, key: string | null = null): Promise<JobView> {
    this.requests.push(request)
    this.keys.push(key)
    const job = { ...someJob(`job-${this.requests.length}`), site: request.site }
    this.emit('phase', job)
    return job
  }

  async getJob(id: string): Promise<JobView> {
    const job = this.jobs.get(id)
    if (job === undefined) throw new EngineError('ENGINE_ERR_JOB_UNKNOWN', { jobId: id })
    return job
  }

  async listJobs(filter: JobFilter): Promise<readonly JobView[]> {
    this.filter = filter
    return [...this.jobs.values()]
  }

  async createVerification(request: VerifyRunRequest): Promise<VerifyRun> {
    this.calls.push(`verify ${JSON.stringify(request)}`)
    const run = { id: 'v1', site: request.site, group: 'edge', repair: request.repair, startedAtMs: 1, nodes: [] }
    return { ...run, finishedAtMs: null }
  }

  async getVerification(id: string): Promise<VerifyRun> {
    if (id !== 'v1') throw new EngineError('ENGINE_ERR_VERIFICATION_UNKNOWN', { id })
    return { id, site: 'www', group: 'edge', repair: false, startedAtMs: 1, finishedAtMs: 2, nodes: [] }
  }

  async addCommands(id: string, commands: readonly CommandRequest[], key: string | null = null): Promise<JobView> {
    this.calls.push(`add ${commands.map(({ type }) => type).join(' ')} to ${id}`)
    this.keys.push(key)
    return this.getJob(id)
  }

  async commands(id: string): Promise<readonly CommandView[]> {
    const { commands, nodes } = await this.getJob(id)
    return commands.map((command) => ({
      ...command,
      nodes: nodes.map(({ nodeId, name }) => ({ nodeId, name, state: 'new', reason: null, output: null })),
    }))
  }

  async commitJob(id: string): Promise<JobView> {
    this.calls.push(`commit ${id}`)
    return this.getJob(id)
  }

  async abortJob(id: string): Promise<JobView> {
    this.calls.push(`abort ${id}`)
    const job = { ...(await this.getJob(id)), state: 'aborted' as const, finishedAtMs: 1_700_000_000_900 }
    this.emit('result', job)
    return job
  }

  async receipts(jobId: string): Promise<readonly Receipt[]> {
    await this.getJob(jobId)
    return [
      {
        jobId,
        number: 1,
        nodeId: someNodeId,
        nodeName: 'ams-1',
        command: 'publish',
        kind: 'completion',
        release: 2,
        treeHash: someTreeHash,
        atMs: 1,
        recordedAtMs: 2,
        bytesFetched: 3,
        ...{ commandId: 'stage-1', site: 'www', signature: null, publicKey: null },
        output: null,
        error: null,
      },
    ]
  }

  async queryNode(name: string): Promise<NodeStateView> {
    if (name !== 'ams-1') throw new EngineError('ENGINE_ERR_NODE_SILENT', { name, ms: 3000 })
    const command = { jobId: 'j1', site: 'www', number: 2, type: 'commit', state: 'in-progress', bytesHave: 0 } as const
    return { nodeId: someNodeId, name, atMs: 1_700_000_000_000, tookMs: 4, commands: [command], sites: [] }
  }

  async explain(jobId: string): Promise<readonly AccountEvent[]> {
    await this.getJob(jobId)
    return [{ atMs: 1_700_000_000_000, kind: 'repaired', node: 'ams-1', reason: 'it was silent', rung: 'resend' }]
  }

  async nodes(): Promise<readonly NodeView[]> {
    const held = [{ release: 2, treeHash: someTreeHash }]
    return [
      {
        id: someNodeId,
        name: 'ams-1',
        groups: ['edge'],
        segment: 'ams',
        dataAddress: { host: '127.0.0.1', port: 7401 },
        online: true,
        lastSeenMs: 1,
        sites: [{ site: 'www', live: { release: 2, treeHash: someTreeHash }, held }],
        reason: null,
        hooks: [],
        publicKey: null,
      },
    ]
  }

  async sites(): Promise<readonly SiteView[]> {
    return [
      {
        site: 'www',
        group: 'edge',
        targetRelease: 2,
        targetTreeHash: someTreeHash,
        holdReason: null,
        holdUntilMs: null,
        nodesLive: 1,
        nodeCount: 1,
        releases: [1, 2],
      },
    ]
  }

  async holdSite(site: string, { reason, forMs }: HoldRequest): Promise<SiteView> {
    this.calls.push(`hold ${site} ${reason} ${forMs}`)
    return this.#site({ holdReason: reason, holdUntilMs: forMs === null ? null : 1_700_000_000_000 + forMs })
  }

  async resumeSite(site: string, { reason }: ResumeRequest): Promise<SiteView> {
    this.calls.push(`resume ${site} ${reason}`)
    return this.#site({})
  }

  async #site(change: Partial<SiteView>): Promise<SiteView> {
    const [site] = await this.sites()
    if (site === undefined) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site: 'www' })
    return { ...site, ...change }
  }

  async audit({ sinceSeq, limit }: AuditQuery): Promise<AuditPage> {
    return pageOf(this.records.filter((record) => record.seq > sinceSeq).slice(0, limit), limit)
  }

  async history(site: string, limit: number): Promise<readonly HistoryEntry[]> {
    return this.entries.filter(() => site === 'www').slice(0, limit)
  }

  async *watchJob(id: string, sinceId: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    let since = sinceId
    this.watchers += 1
    try {
      while (!signal.aborted) {
        const next = (this.#events.get(id) ?? []).find((event) => event.id > since)
        if (next === undefined) {
          if (this.jobs.get(id)?.finishedAtMs !== null) return
          await this.#event(signal)
          continue
        }
        since = next.id
        yield next
        if (next.type === 'result') return
      }
    } finally {
      this.watchers -= 1
    }
  }

  /** Tells something of the fleet; watchers hear it. */
  announce(type: string, data: CloudEvent['data'] = {}): void {
    const id = String(this.fleetEvents.length + 1)
    const about = { source: 'urn:test', type, subject: 'jobs/1', time: '2026-01-01T00:00:00.000Z', data }
    this.fleetEvents.push({ specversion: '1.0', id, datacontenttype: 'application/json', ...about })
    for (const wake of [...this.#wake]) wake()
  }

  async *watchFleet({ types, sinceId }: FleetFilter, signal: AbortSignal): AsyncGenerator<CloudEvent> {
    let since = sinceId
    this.watchers += 1
    try {
      while (!signal.aborted) {
        const next = this.fleetEvents[since]
        since += next === undefined ? 0 : 1
        if (next === undefined) await this.#event(signal)
        else if (types.some((pattern) => matchesType(pattern, next.type))) yield next
      }
    } finally {
      this.watchers -= 1
    }
  }

  async lastFleetEventId(): Promise<number> {
    return this.fleetEvents.length
  }

  nodeConnected(link: NodeLink, hello: Hello): NodeSession {
    if (this.refusal !== null) throw this.refusal
    const joined: Joined = { link, hello, messages: [], signsOfLife: 0, closed: 0 }
    this.joined.push(joined)
    if (this.welcomes) {
      const publicKey = digits('e', 64)
      link.send({ type: 'welcome', version: 1, role: 'coordinator', coordinatorId: this.coordinatorId, publicKey })
    }
    return {
      onMessage: (message) => {
        joined.messages.push(message)
      },
      onAlive: () => {
        joined.signsOfLife += 1
      },
      onClosed: () => {
        joined.closed += 1
      },
    }
  }

  version(): VersionView {
    const { coordinatorId } = this
    const who = { name: 'distributary', version: '0.1.0', coordinatorId, publicKey: digits('e', 64) }
    return { ...who, apiVersion: 1, channelVersion: 1 }
  }

  ready(): boolean {
    return this.isReady
  }

  #event(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake.delete(done)
        resolve()
      }
      this.#wake.add(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}
