import type { Clock } from '../base/clock.js'
import { EngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { JOBS_QUOTA_DEFAULT } from '../base/policy-limits.js'
import { UPLOADS_BYTES_DEFAULT, UPLOAD_FREE_BYTES_DEFAULT, UPLOAD_KEEP_MS_DEFAULT } from '../base/upload-limits.js'
import { requireLoopback } from '../config/listen.js'
import type { Config } from '../config/schema.js'
import type { Quotas } from '../jobs/quota.js'
import { BANDWIDTH_OFF } from '../model/bandwidth.js'
import type { DataListen, PeerAddress } from '../model/node.js'
import type { UploadLimits } from '../uploads/index.js'

export interface CoordinatorOptions {
  /** A loaded configuration; the fields below are taken before it. */
  readonly config?: Config
  /** Where everything is kept. Needed unless `config` names it. */
  readonly dataDir?: string
  /** HTTP and node channel; loopback and any free port by default. */
  readonly listen?: Partial<PeerAddress>
  /** The relay; loopback and any free port by default. */
  readonly data?: Partial<DataListen>
  /** How fast it may send to nodes: `5M`, `off`, or by time, as `coordinator.bwlimit` of the configuration. */
  readonly bwlimit?: string
  /** The network neighbourhood it is in. Default `default`. */
  readonly segment?: string
  /** Has a live release that a node found damaged staged there anew at once. Default true. */
  readonly repair?: boolean
  /** How much uploads may hold, and for how long. */
  readonly uploads?: Partial<UploadLimits>
  /** What jobs are refused beyond. */
  readonly quotas?: Partial<Quotas>
  /** Allows addresses that others reach, although nobody's identity is checked. */
  readonly insecure?: boolean
  /** Lets every webhook be on a private, loopback or link-local address. */
  readonly webhooks?: { readonly allowPrivate?: boolean }
  readonly log?: Logger
  readonly clock?: Clock
}

const usualQuotas: Quotas = { jobs: JOBS_QUOTA_DEFAULT, releaseBytes: null }
const usualUploads: UploadLimits = {
  maxBytes: UPLOADS_BYTES_DEFAULT,
  keepMs: UPLOAD_KEEP_MS_DEFAULT,
  freeBytes: UPLOAD_FREE_BYTES_DEFAULT,
}

/** The options with what is configured, and the defaults, in place of what they do not say. */
export interface CoordinatorSettings {
  readonly dataDir: string
  readonly listen: PeerAddress
  readonly data: DataListen
  readonly bwlimit: string
  readonly allowPrivate: boolean
  readonly segment: string
  readonly repair: boolean
  readonly uploads: UploadLimits
  readonly quotas: Quotas
}

/** @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_INSECURE_LISTEN. */
export function settingsOf(options: CoordinatorOptions): CoordinatorSettings {
  const { config } = options
  const configured = config?.coordinator
  const listen = { host: '127.0.0.1', port: 0, ...configured?.listen, ...options.listen }
  const data = { host: '127.0.0.1', port: 0, announceHost: null, ...configured?.data, ...options.data }
  const { insecure } = { insecure: config?.insecure ?? false, ...options }
  requireLoopback('coordinator.listen', listen.host, insecure)
  requireLoopback('coordinator.data', data.host, insecure)
  const { allowPrivate = false } = { ...configured?.webhooks, ...options.webhooks }
  const usual = { repair: true, segment: 'default', bwlimit: BANDWIDTH_OFF }
  const { repair, segment, bwlimit } = { ...usual, ...configured, ...options }
  const uploads = { ...usualUploads, ...configured?.uploads, ...options.uploads }
  const quotas = { ...usualQuotas, ...configured?.quotas, ...options.quotas }
  return { dataDir: dataDirOf(options), listen, data, bwlimit, allowPrivate, segment, repair, uploads, quotas }
}

function dataDirOf({ dataDir, config }: CoordinatorOptions): string {
  const said = dataDir ?? config?.coordinator.dataDir
  if (said !== undefined) return said
  const why = 'say where the coordinator keeps its data'
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'dataDir', why })
}
