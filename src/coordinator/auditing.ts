import type { Cancel, Clock } from '../base/clock.js'
import { EngineError, toEngineError } from '../base/errors.js'
import {
  AUDIT_FIELDS_MAX,
  AUDIT_HEAD_MS,
  AUDIT_RECORDS_DROPPED,
  AUDIT_RECORDS_KEPT,
  AUDIT_TEXT_CHARS_MAX,
} from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Metrics } from '../base/metrics.js'
import type { Signer } from '../base/signing.js'
import { wellFormed } from '../base/text.js'
import type { CoordinatorDoor } from '../control/door.js'
import type { FilesDoor } from '../control/door/files.js'
import type { UploadsDoor } from '../control/door/uploads.js'
import type { WebhooksApi } from '../control/door/webhooks.js'
import { type AuditEntry, type AuditRequest, signedHead, truncation } from '../model/audit.js'
import type { JobRequest } from '../model/job.js'
import type { Audit, AuditCall } from '../store/audit.js'
import type { Store } from '../store/store.js'
import { AuditedWebhooks } from './audited-webhooks.js'

export interface AuditLogOptions {
  readonly store: Pick<Store, 'transaction'>
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** For tests; AUDIT_RECORDS_KEPT and AUDIT_RECORDS_DROPPED by default. */
  readonly recordsKept?: number
  readonly recordsDropped?: number
}

type Call = Omit<AuditCall, 'atMs'>
type Answer = Pick<AuditEntry, 'outcome' | 'code' | 'result'>

/**
 * Who asked for what, and what came of it. A call is noted before it is carried out and joins the chain with its
 * outcome; one that cannot be noted is not carried out.
 */
export class AuditLog {
  readonly #options: AuditLogOptions
  /** Answers that are not in the chain yet, by their open call: the disk was full. */
  readonly #owed = new Map<number, AuditEntry>()
  readonly #stopSigning: Cancel

  private constructor(options: AuditLogOptions) {
    this.#options = options
    this.#stopSigning = options.clock.setInterval(AUDIT_HEAD_MS, () => void this.#signIfPossible())
  }

  /** Takes up the chain: calls that an earlier life did not answer are put into it as such. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const unanswered = { kind: 'call', outcome: 'unknown', code: null, result: null } as const
    await options.store.transaction(async ({ audit }) => {
      for (const { id, ...call } of await audit.listOpen()) {
        await audit.append({ ...call, ...unanswered })
        await audit.close(id)
      }
    })
    const opened = new AuditLog(options)
    await opened.#signIfPossible()
    return opened
  }

  /**
   * Carries a call out and records it.
   * @throws {EngineError} ENGINE_ERR_AUDIT_UNWRITABLE, and what `work` throws.
   */
  async around<T>(call: Call, work: () => Promise<T>, resultOf: (answer: T) => string | null): Promise<T> {
    const noted = { ...tidy(call), atMs: this.#options.clock.nowMs() }
    const id = await this.#begin(noted)
    const close = (answer: Answer): Promise<void> => this.#close(id, { ...noted, kind: 'call', ...answer })
    try {
      const answer = await work()
      await close({ outcome: 'done', code: null, result: resultOf(answer) })
      return answer
    } catch (error) {
      await close({ outcome: 'refused', code: toEngineError(error).code, result: null })
      throw error
    }
  }

  /** Signs the chain as it stands, unless that is done already. */
  async sign(): Promise<void> {
    const { store, signer, clock } = this.#options
    await store.transaction(async ({ audit }) => {
      const { kind, ...head } = await audit.head()
      if (kind !== null && kind !== 'head') await audit.append(signedHead(head, signer, clock.nowMs()))
    })
  }

  /** Ends the chain of this life with a signature. */
  async close(): Promise<void> {
    this.#stopSigning()
    await this.#write(async () => {})
    await this.sign()
  }

  async #begin(call: AuditCall): Promise<number> {
    try {
      return await this.#write((audit) => audit.open(call))
    } catch (error) {
      const { code: reason, message: why } = toEngineError(error)
      if (reason === 'ENGINE_ERR_NATIVE_CLOSED') throw new EngineError('ENGINE_ERR_CLOSING')
      this.#failed(error, call.action)
      const facts = { action: call.action, why, reason }
      throw new EngineError('ENGINE_ERR_AUDIT_UNWRITABLE', facts, { cause: error })
    }
  }

  /** What was carried out stands, and its call is on record: an outcome that cannot be written is owed. */
  async #close(id: number, entry: AuditEntry): Promise<void> {
    this.#owed.set(id, entry)
    await this.#write(async () => {}).catch((error: unknown) => this.#failed(error, entry.action))
  }

  /** One step: what is owed first, then `also`. */
  async #write<T>(also: (audit: Audit) => Promise<T>): Promise<T> {
    const owed = [...this.#owed]
    const written = await this.#options.store.transaction(async ({ audit }) => {
      for (const [id, entry] of owed) {
        // Two callers may have taken the same along: the first one wrote it.
        if (await audit.close(id)) await audit.append(entry)
      }
      await this.#truncate(audit)
      return also(audit)
    })
    for (const [id] of owed) this.#owed.delete(id)
    return written
  }

  /** Drops the oldest records beyond the limit; the chain says so first. */
  async #truncate(audit: Audit): Promise<void> {
    const { recordsKept = AUDIT_RECORDS_KEPT, recordsDropped = AUDIT_RECORDS_DROPPED, clock, log } = this.#options
    if ((await audit.count()) < recordsKept) return
    const dropped = await audit.beyond(recordsKept - recordsDropped)
    if (dropped === null) return
    await audit.append(truncation(dropped, clock.nowMs()))
    await audit.dropThrough(dropped.seq)
    log.warn({ throughSeq: dropped.seq }, 'the oldest audit records were dropped')
  }

  async #signIfPossible(): Promise<void> {
    await this.sign().catch((error: unknown) => this.#failed(error, 'signHead'))
  }

  #failed(error: unknown, action: string): void {
    this.#options.metrics.add('engine_audit_failures_total', {}, 1)
    this.#options.log.error({ err: toEngineError(error), action }, 'the audit log cannot be written')
  }
}

/** A coordinator's door as one actor has it: what changes something is recorded as theirs, the rest only passes. */
export class AuditedDoor implements CoordinatorDoor {
  readonly #door: CoordinatorDoor
  readonly #log: AuditLog
  readonly #actor: string
  readonly webhooks: WebhooksApi

  constructor(door: CoordinatorDoor, log: AuditLog, actor: string) {
    this.#door = door
    this.#log = log
    this.#actor = actor
    this.webhooks = new AuditedWebhooks(door.webhooks, (call, work, resultOf) => this.#audited(call, work, resultOf))
  }

  createJob: CoordinatorDoor['createJob'] = (request, key) =>
    this.#audited(
      {
        action: 'createJob',
        subject: `site ${request.site}`,
        request: summaryOf({ ...request, callback: originOf(request.callback) }),
      },
      () => this.#door.createJob(request, key),
      (job) => job.id,
    )

  addCommands: CoordinatorDoor['addCommands'] = (id, commands, key) =>
    this.#audited({ action: 'addCommands', subject: `job ${id}`, request: summaryOf({ commands }) }, () =>
      this.#door.addCommands(id, commands, key),
    )

  putFile: CoordinatorDoor['putFile'] = (put, body, key) =>
    this.#audited(
      { action: 'putFile', subject: `site ${put.site}`, request: summaryOf(put) },
      () => this.#door.putFile(put, body, key),
      (job) => job.id,
    )

  commitJob: CoordinatorDoor['commitJob'] = (id) =>
    this.#audited({ action: 'commitJob', subject: `job ${id}`, request: {} }, () => this.#door.commitJob(id))

  abortJob: CoordinatorDoor['abortJob'] = (id) =>
    this.#audited({ action: 'abortJob', subject: `job ${id}`, request: {} }, () => this.#door.abortJob(id))

  pauseJob: CoordinatorDoor['pauseJob'] = (id) =>
    this.#audited({ action: 'pauseJob', subject: `job ${id}`, request: {} }, () => this.#door.pauseJob(id))

  resumeJob: CoordinatorDoor['resumeJob'] = (id) =>
    this.#audited({ action: 'resumeJob', subject: `job ${id}`, request: {} }, () => this.#door.resumeJob(id))

  holdSite: CoordinatorDoor['holdSite'] = (site, request) =>
    this.#audited({ action: 'holdSite', subject: `site ${site}`, request: summaryOf(request) }, () =>
      this.#door.holdSite(site, request),
    )

  resumeSite: CoordinatorDoor['resumeSite'] = (site, request) =>
    this.#audited({ action: 'resumeSite', subject: `site ${site}`, request: summaryOf(request) }, () =>
      this.#door.resumeSite(site, request),
    )

  probe: CoordinatorDoor['probe'] = (name, request) => {
    const { from = null, bulk = false, force = false } = request
    return this.#audited({ action: 'probe', subject: `links of ${name}`, request: { from, bulk, force } }, () =>
      this.#door.probe(name, request),
    )
  }

  setLimit: CoordinatorDoor['setLimit'] = (name, bandwidth) =>
    this.#audited({ action: 'setLimit', subject: `relay ${name}`, request: { bandwidth } }, () =>
      this.#door.setLimit(name, bandwidth),
    )

  createVerification: CoordinatorDoor['createVerification'] = (request) => {
    const { site, release, repair } = request
    const nodes = request.nodes?.join(' ') ?? null
    return this.#audited(
      { action: 'createVerification', subject: `site ${site}`, request: { release, repair, nodes } },
      () => this.#door.createVerification(request),
      (run) => run.id,
    )
  }

  getVerification: CoordinatorDoor['getVerification'] = (id) => this.#door.getVerification(id)
  getJob: CoordinatorDoor['getJob'] = (id) => this.#door.getJob(id)
  listJobs: CoordinatorDoor['listJobs'] = (filter) => this.#door.listJobs(filter)
  commands: CoordinatorDoor['commands'] = (jobId) => this.#door.commands(jobId)
  receipts: CoordinatorDoor['receipts'] = (jobId) => this.#door.receipts(jobId)
  explain: CoordinatorDoor['explain'] = (jobId) => this.#door.explain(jobId)
  nodes: CoordinatorDoor['nodes'] = () => this.#door.nodes()
  queryNode: CoordinatorDoor['queryNode'] = (name) => this.#door.queryNode(name)
  limits: CoordinatorDoor['limits'] = () => this.#door.limits()
  sites: CoordinatorDoor['sites'] = () => this.#door.sites()
  audit: CoordinatorDoor['audit'] = (query) => this.#door.audit(query)
  history: CoordinatorDoor['history'] = (site, limit) => this.#door.history(site, limit)
  watchJob: CoordinatorDoor['watchJob'] = (id, sinceId, signal) => this.#door.watchJob(id, sinceId, signal)
  watchFleet: CoordinatorDoor['watchFleet'] = (filter, signal) => this.#door.watchFleet(filter, signal)
  lastFleetEventId: CoordinatorDoor['lastFleetEventId'] = () => this.#door.lastFleetEventId()
  nodeConnected: CoordinatorDoor['nodeConnected'] = (link, hello) => this.#door.nodeConnected(link, hello)
  version: CoordinatorDoor['version'] = () => this.#door.version()
  ready: CoordinatorDoor['ready'] = () => this.#door.ready()

  /** Opening, completing and dropping are recorded; the contents between them are many, and named by what they are. */
  get uploads(): UploadsDoor {
    const { uploads } = this.#door
    return {
      create: (site, body) =>
        this.#audited(
          { action: 'createUpload', subject: `site ${site}`, request: {} },
          () => uploads.create(site, body),
          (upload) => upload.id,
        ),
      complete: (id) =>
        this.#audited({ action: 'completeUpload', subject: `upload ${id}`, request: {} }, () => uploads.complete(id)),
      drop: (id) =>
        this.#audited({ action: 'dropUpload', subject: `upload ${id}`, request: {} }, () => uploads.drop(id)),
      dropLoose: (site) =>
        this.#audited({ action: 'dropLoose', subject: `site ${site}`, request: {} }, () => uploads.dropLoose(site)),
      putContent: (site, body, check) =>
        this.#audited(
          { action: 'putContent', subject: `site ${site}`, request: {} },
          () => uploads.putContent(site, body, check),
          (blob) => blob.digest,
        ),
      list: () => uploads.list(),
      loose: () => uploads.loose(),
      get: (id) => uploads.get(id),
      missing: (id, after, limit) => uploads.missing(id, after, limit),
      blob: (id, digest) => uploads.blob(id, digest),
      putBlob: (id, digest, sent) => uploads.putBlob(id, digest, sent),
    }
  }

  /** Looking changes nothing. */
  get files(): FilesDoor {
    return this.#door.files
  }

  #audited<T>(
    call: Omit<Call, 'actor'>,
    work: () => Promise<T>,
    resultOf: (answer: T) => string | null = () => null,
  ): Promise<T> {
    return this.#log.around({ ...call, actor: this.#actor }, work, resultOf)
  }
}

/** Of a callback only where it is: paths and queries of such addresses are often secrets themselves. */
function originOf(callback: JobRequest['callback']): string | null {
  const url = callback?.url
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).origin : null
}

/** What was asked without its depth: `policy.quorum: 1`. What says nothing (null) is left out, as is any secret. */
export function summaryOf(asked: object): AuditRequest {
  const fields: [string, string | number | boolean][] = []
  const walk = (value: unknown, name: string): void => {
    if (value === null || value === undefined || fields.length >= AUDIT_FIELDS_MAX) return
    if (typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) {
        if (key !== 'secret') walk(inner, name === '' ? key : `${name}.${key}`)
      }
    } else if (typeof value === 'string') fields.push([name, textOf(value)])
    else if (typeof value === 'boolean' || Number.isFinite(value)) fields.push([name, value as boolean | number])
  }
  walk(asked, '')
  return Object.fromEntries(fields)
}

/** Text as the database gives it back. */
const textOf = (text: string): string => wellFormed(text.slice(0, AUDIT_TEXT_CHARS_MAX))

const tidy = ({ actor, action, subject, request }: Call): Call => ({
  ...{ actor: textOf(actor), action, subject: textOf(subject), request },
})
