import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type Metrics, type MetricRow, metricTable } from '../base/metrics.js'

type Labels = Readonly<Record<string, string>>

/** Counts in a registry of its own, so that two coordinators in one process do not meet. */
export interface PrometheusMetrics extends Metrics {
  readonly contentType: string
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>
}

function register(registry: Registry): ReadonlyMap<string, Counter | Gauge | Histogram> {
  const made = new Map<string, Counter | Gauge | Histogram>()
  for (const [name, row] of Object.entries<MetricRow>(metricTable)) {
    const options = { name, help: row.help, labelNames: [...row.labels], registers: [registry] }
    if (row.type === 'counter') made.set(name, new Counter(options))
    else if (row.type === 'gauge') made.set(name, new Gauge(options))
    else made.set(name, new Histogram({ ...options, ...(row.buckets ? { buckets: [...row.buckets] } : {}) }))
  }
  return made
}

/** Samples every so often how late timers are; each of them is a wake-up of the processor. */
const LOOP_DELAY_RESOLUTION_MS = 20

let loopDelay: IntervalHistogram | undefined

/** How late the main thread is, in seconds: the 99th percentile since anybody asked last. One watch for a process. */
function readLoopDelay(): number {
  if (loopDelay === undefined) {
    loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS })
    loopDelay.enable()
    return 0
  }
  // A sample is the whole time between two looks.
  const delayS = loopDelay.count > 0 ? loopDelay.percentile(99) / 1e9 - LOOP_DELAY_RESOLUTION_MS / 1000 : 0
  loopDelay.reset()
  return Math.max(0, delayS)
}

/** What the process itself uses, read when somebody asks. */
function registerProcess(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  gauge('process_resident_memory_bytes', 'Memory of the process that is in RAM.', () => process.memoryUsage.rss())
  gauge('process_uptime_seconds', 'Time since the process started.', () => process.uptime())
  const delayHelp = 'How late the main thread came to its timers: the 99th percentile since this was last asked for.'
  gauge('process_event_loop_delay_seconds', delayHelp, readLoopDelay)
  gauge('process_cpu_seconds', 'Processor time used, user and system.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
}

/** Makes the metrics of one server. Every metric of the table exists from the start. */
export function createMetrics(): PrometheusMetrics {
  const registry = new Registry()
  const made = register(registry)
  registerProcess(registry)
  const labelled = (labels: object): Labels => labels as Labels
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    add(name, labels, value) {
      const metric = made.get(name)
      if (metric instanceof Counter) metric.inc(labelled(labels), value)
    },
    set(name, labels, value) {
      const metric = made.get(name)
      if (metric instanceof Gauge) metric.set(labelled(labels), value)
    },
    observe(name, labels, value) {
      const metric = made.get(name)
      if (metric instanceof Histogram) metric.observe(labelled(labels), value)
    },
  }
}
