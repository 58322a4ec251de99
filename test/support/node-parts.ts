// The parts of a node around a data plane that a test drives: what it would send is kept in a list.
import { access, mkdir } from 'node:fs/promises'
import { silentLogger } from '../../src/base/log.js'
import type { Commit, FromNode, Report, Stage } from '../../src/control/schema/channel.js'
import type { Verification } from '../../src/model/verification.js'
import { switchLive } from '../../src/native/sites.js'
import { Verifying } from '../../src/native/verifying.js'
import { Commits } from '../../src/node/committing.js'
import { systemClock } from '../../src/base/clock.js'
import { type HooksInput, readHooks } from '../../src/config/hooks.js'
import { Hooks } from '../../src/node/hooks.js'
import { Ledger } from '../../src/node/ledger.js'
import { NodePaths } from '../../src/node/paths.js'
import { Releases } from '../../src/node/releases.js'
import { Reports } from '../../src/node/reports.js'
import { Stagings } from '../../src/node/stagings.js'
import { Turns } from '../../src/node/turns.js'
import { someSigner } from './audit.js'
import { Verifications, type VerificationsOptions } from '../../src/node/verifying.js'
import { FakePlane, makeRelease, prepareRelease } from './fake-plane.js'
import { ManualClock } from './manual-clock.js'
import { until } from './until.js'

export class NodeParts {
  readonly clock = new ManualClock()
  readonly plane = new FakePlane()
  readonly sent: FromNode[] = []
  readonly turns = new Turns()
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly reports: Reports
  readonly releases: Releases
  readonly stagings: Stagings
  readonly commits: Commits
  readonly hooks: Hooks
  readonly verifications: Verifications
  /** Damage that was told of. */
  readonly drifts: Verification[] = []
  /** Reads releases; a test may take its place. */
  read: VerificationsOptions['read'] = (options) => new Verifying(options)
  holdingsTold = 0
  /** Set: switching fails with it. */
  switchFailure: Error | null = null

  /** To a coordinator. */
  isConnected = true

  private constructor(paths: NodePaths, ledger: Ledger, hooks: HooksInput) {
    this.paths = paths
    this.ledger = ledger
    const { clock, turns, plane } = this
    const send = (message: FromNode): boolean => {
      this.sent.push(message)
      return true
    }
    const log = silentLogger
    const onHoldings = (): void => {
      this.holdingsTold += 1
    }
    this.reports = new Reports({ ledger, clock, log, send, nodeId: 'a'.repeat(32), signer: someSigner })
    this.releases = new Releases({ paths, ledger, clock, log })
    const shared = { paths, ledger, reports: this.reports, releases: this.releases, turns, log, onHoldings }
    this.stagings = new Stagings({
      ...{ ...shared, plane, clock, send },
      isConnected: () => this.isConnected,
      publicKey: () => new Uint8Array(32),
      onEnded: (commits) => {
        for (const commit of commits) void this.commits.resume(commit)
      },
    })
    const switching = async (directory: string, release: number): Promise<void> => {
      if (this.switchFailure !== null) throw this.switchFailure
      await switchLive(directory, release)
    }
    // Programs end in their own time: theirs is the real clock.
    const told = { hooks: readHooks(hooks), environment: { PATH: process.env['PATH'] ?? '' }, nodeName: 'n1' }
    this.hooks = new Hooks({ ...told, paths, clock: systemClock, log })
    this.commits = new Commits({ ...shared, stagings: this.stagings, hooks: this.hooks, switchLive: switching })
    this.verifications = new Verifications({
      ...{ ...shared, stagings: this.stagings, clock },
      rateBps: 8_000_000_000,
      read: (options) => this.read(options),
      onDrift: (found) => void this.drifts.push(found),
    })
  }

  static async open(directory: string, hooks: HooksInput = {}): Promise<NodeParts> {
    const paths = new NodePaths(directory)
    await mkdir(directory, { recursive: true })
    const ledger = await Ledger.open({ path: paths.journal, log: silentLogger, clock: new ManualClock() })
    return new NodeParts(paths, ledger, hooks)
  }

  async close(): Promise<void> {
    await this.hooks.close()
    this.releases.close()
    await this.stagings.close()
    await this.turns.idle()
    await this.ledger.close()
  }

  /** A release that stands on the disk and in the journal; gives its hash. */
  async hold(release: number, options: { readonly live?: boolean; readonly site?: string } = {}): Promise<string> {
    const site = options.site ?? 'www'
    const { paths } = this
    const hash = await makeRelease(paths.release(site, release), paths.tree(site, release), `release ${release}`)
    await this.ledger.record({ type: 'staged', site, release, treeHash: hash })
    if (options.live === true) {
      await switchLive(paths.site(site), release)
      await this.ledger.record({ type: 'live', site, release, treeHash: hash })
    }
    return hash
  }

  /** Prepares what the execution of a release will bring, never what one of that number holds; gives its command. */
  async command(release: number, options: Partial<Stage> = {}): Promise<Stage> {
    const treeHash = await prepareRelease(this.paths.release(options.site ?? 'www', release), `ordered ${release}`)
    return stageOf(release, treeHash, options)
  }

  reportsOf(kind: Report['kind']): readonly Report[] {
    return this.sent.filter((message): message is Report => message.type === 'report' && message.kind === kind)
  }

  /** Waits for the given number of reports of a kind; gives the last. */
  async reported(kind: Report['kind'], count = 1): Promise<Report> {
    return until(`${count} ${kind} came`, () => {
      const found = this.reportsOf(kind)
      return found.length >= count ? found.at(-1) : undefined
    })
  }

  /** Waits until an execution is under way and gives it. */
  async execution(index: number): Promise<(typeof this.plane.executions)[number]> {
    return until(`execution ${index} began`, () => this.plane.executions[index])
  }
}

export const somePlan = {
  strandCount: 1,
  parents: [[{ nodeId: 'd'.repeat(32), host: '127.0.0.1', port: 7401 }]],
  peers: [],
}

export function assignmentId(number: number): string {
  return number.toString(16).padStart(32, '0')
}

export function stageOf(release: number, treeHash: string, options: Partial<Stage> = {}): Stage {
  return {
    type: 'stage',
    commandId: `stage-${release}`,
    jobId: `job-${release}`,
    number: 1,
    site: 'www',
    release,
    treeHash,
    base: null,
    assignment: { id: assignmentId(release), serial: release, chunkBytes: 262_144 },
    plan: somePlan,
    ...options,
  }
}

export function commitOf(release: number, treeHash: string, options: Partial<Commit> = {}): Commit {
  const ids = { commandId: `commit-${release}`, jobId: `job-${release}` }
  return { type: 'commit', ...ids, number: 2, command: 'commit', site: 'www', release, treeHash, ...options }
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** The parts of a node in a test's own directory, closed when it ends. */
export const openParts = async (t: { testdir(): string; teardown(run: () => unknown): void }): Promise<NodeParts> => {
  const parts = await NodeParts.open(t.testdir())
  t.teardown(() => parts.close())
  return parts
}
