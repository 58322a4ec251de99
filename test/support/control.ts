// A listening control plane over a coordinator that only remembers.
import { type Clock, systemClock } from '../../src/base/clock.js'
import { silentLogger } from '../../src/base/log.js'
import { createMetrics, type PrometheusMetrics } from '../../src/control/metrics.js'
import { ControlServer } from '../../src/control/server.js'
import { FakeDoor } from './fake-door.js'

export interface Served {
  readonly door: FakeDoor
  readonly server: ControlServer
  readonly metrics: PrometheusMetrics
}

/** Listens on a free port until the test ends. `port` and `door` let one come back after it was closed. */
export async function serve(
  t: { teardown(run: () => unknown): void },
  options: { readonly clock?: Clock; readonly port?: number; readonly door?: FakeDoor } = {},
): Promise<Served> {
  const door = options.door ?? new FakeDoor()
  const metrics = createMetrics()
  const clock = options.clock ?? systemClock
  const where = { host: '127.0.0.1', port: options.port ?? 0 }
  const server = await ControlServer.open({ door, ...where, log: silentLogger, clock, metrics })
  t.teardown(() => server.close())
  return { door, server, metrics }
}
