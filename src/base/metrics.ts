/** One metric as /metrics and docs/reference/metrics.md show it; names by the rules of Prometheus. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: string
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[]
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

/** Every metric. Labels never name a file or a job; nodes are counted, not named. */
export const metricTable = {
  engine_build_info: {
    type: 'gauge',
    unit: '1',
    help: 'Always 1; its labels say what runs here.',
    labels: ['version', 'role'],
  },
  engine_jobs_total: {
    type: 'counter',
    unit: 'jobs',
    help: 'Jobs that ended, by result.',
    labels: ['group', 'result'],
  },
  engine_jobs_queued: {
    type: 'gauge',
    unit: 'jobs',
    help: 'Jobs that wait for another of their site.',
    labels: ['group'],
  },
  engine_job_phase_duration_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'How long a phase of a job took: scan, pack, distribute, commit.',
    labels: ['group', 'phase'],
    buckets: seconds,
  },
  engine_nodes: {
    type: 'gauge',
    unit: 'nodes',
    help: 'Nodes by segment and state (online, offline).',
    labels: ['segment', 'state'],
  },
  engine_up_to_date_ratio: {
    type: 'gauge',
    unit: 'ratio',
    help: 'Share of the nodes of a group that serve the release they should.',
    labels: ['site', 'group'],
  },
  engine_transfer_bytes_total: {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of chunks that the coordinator moved, by direction (sent: it receives none) and transport (unicast).',
    labels: ['direction', 'transport'],
  },
  engine_corrupt_chunks_total: {
    type: 'counter',
    unit: 'chunks',
    help: 'Chunks that relays threw away: they are not what was promised. By who received them (coordinator, node).',
    labels: ['role'],
  },
  engine_faulty_links_total: {
    type: 'counter',
    unit: 'links',
    help: 'Links closed for what came over them, corrupt chunks included, by who closed them (coordinator, node).',
    labels: ['role'],
  },
  engine_probes_total: {
    type: 'counter',
    unit: 'probes',
    help: 'Links measured for their own sake, by how (train, bulk) and result (measured, failed).',
    labels: ['how', 'result'],
  },
  engine_weight_changes_total: {
    type: 'counter',
    unit: 'changes',
    help: 'Nodes that are slow (uplink, downlink), silent, or trusted again (rested); all weighed anew (uneven).',
    labels: ['why'],
  },
  engine_http_requests_total: {
    type: 'counter',
    unit: 'requests',
    help: 'Answered HTTP requests, by route (never the path), method and status.',
    labels: ['method', 'route', 'status'],
  },
  engine_uploads_open: {
    type: 'gauge',
    unit: 'uploads',
    help: 'Uploads that are held: sent in part, or not published yet.',
    labels: [],
  },
  engine_upload_bytes_received_total: {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of contents that clients have sent, those included that were refused or sent again.',
    labels: [],
  },
  engine_watchers: {
    type: 'gauge',
    unit: 'watchers',
    help: 'Event streams that are open now.',
    labels: [],
  },
  engine_audit_failures_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records of the audit log that could not be written at once; calls are refused meanwhile.',
    labels: [],
  },
  engine_report_refusals_total: {
    type: 'counter',
    unit: 'reports',
    help: 'Reports of nodes that were not recorded, because they are not signed as their node signs.',
    labels: [],
  },
  engine_verify_mismatches_total: {
    type: 'counter',
    unit: 'entries',
    help: 'Entries of releases that nodes found different from what was staged.',
    labels: ['site', 'group'],
  },
  engine_channel_refusals_total: {
    type: 'counter',
    unit: 'connections',
    help: 'Connections of the node channel that were refused or cut, by code.',
    labels: ['code'],
  },
  engine_words_total: {
    type: 'counter',
    unit: 'words',
    help: 'Words given to nodes: to those that are connected (told), and for those that are not, to others (carried).',
    labels: ['way'],
  },
  engine_webhook_deliveries_total: {
    type: 'counter',
    unit: 'attempts',
    help: 'Attempts to call a webhook, by result: delivered, retry (tried again later), failed (given up).',
    labels: ['result'],
  },
} as const satisfies Readonly<Record<string, MetricRow>>

export type MetricName = keyof typeof metricTable
type Of<T extends MetricRow['type']> = {
  [N in MetricName]: (typeof metricTable)[N]['type'] extends T ? N : never
}[MetricName]
export type MetricLabels<N extends MetricName> = Readonly<Record<(typeof metricTable)[N]['labels'][number], string>>

/** Where rooms count; `src/control` implements it and serves /metrics. */
export interface Metrics {
  /** Adds to a counter. */
  add<N extends Of<'counter'>>(name: N, labels: MetricLabels<N>, value: number): void
  /** Sets a gauge. */
  set<N extends Of<'gauge'>>(name: N, labels: MetricLabels<N>, value: number): void
  /** Records one observation of a histogram. */
  observe<N extends Of<'histogram'>>(name: N, labels: MetricLabels<N>, value: number): void
}

/** Counts nothing. */
export const noMetrics: Metrics = { add: () => {}, set: () => {}, observe: () => {} }
