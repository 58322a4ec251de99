// In: where the coordinator is, where data is kept, who this node is. Out: releases under <data>/sites/<site>/live.
// It opens the parts of src/node/, puts them together with the native side and closes them.
// Never: a decision of its own, content outside its data directory, state outside its object.
import { makeDataDirectory } from './base/directories.js'
import { type Clock, systemClock } from './base/clock.js'
import { EngineError, toEngineError } from './base/errors.js'
import { VERIFY_EVERY_MS_DEFAULT, VERIFY_RATE_BPS_DEFAULT } from './base/verify-limits.js'
import { type Logger, silentLogger } from './base/log.js'
import { machineLoad } from './base/load.js'
import { systemRandom } from './base/random.js'
import { readSoftware } from './base/software.js'
import { requireLoopback } from './config/listen.js'
import { hookEnvironment } from './config/environment.js'
import { type HooksInput, readHooks } from './config/hooks.js'
import type { Config } from './config/schema.js'
import { BANDWIDTH_OFF } from './model/bandwidth.js'
import { NAME_PATTERN, NAME_RULE } from './model/name.js'
import type { Hook } from './model/hook.js'
import type { DataListen, NodeSite } from './model/node.js'
import { RateLimit } from './native/rate-limit.js'
import { Relay } from './native/relay.js'
import { listAt, lookAt, openAt, publishedAt } from './native/looking.js'
import { Applying, listReleases, readLive, switchLive } from './native/sites.js'
import { Verifying } from './native/verifying.js'
import { type DirectoryLock, lockDirectory } from './native/storage.js'
import { announced } from './node/addresses.js'
import { NodeCore, type VerifySettings } from './node/core.js'
import { HookCalls } from './node/hook-calls.js'
import { Hooks } from './node/hooks.js'
import { openIdentity, openKey } from './node/identity.js'
import { Ledger } from './node/ledger.js'
import { NodePaths } from './node/paths.js'
import { Releases } from './node/releases.js'
import type { DataPlane } from './node/staging.js'

export interface NodeOptions {
  /** A loaded configuration; the fields below are taken before it. */
  readonly config?: Config
  /** The coordinator's URL: `http://host:7400`. */
  readonly join?: string
  /** Where everything is kept. Needed unless `config` names it. */
  readonly dataDir?: string
  /** What people call it; unique among the coordinator's nodes. */
  readonly name?: string
  readonly groups?: readonly string[]
  readonly segment?: string
  /** The relay; loopback and any free port by default. */
  readonly data?: Partial<DataListen>
  /** How fast it may send to peers: `5M`, `off`, or by time, as `node.bwlimit` of the configuration. */
  readonly bwlimit?: string
  /** Commands that the node runs around a switch, or when a job names them, as `node.hooks` of the configuration. */
  readonly hooks?: HooksInput
  /** How it verifies what it serves on its own; every day by default. */
  readonly verify?: Partial<VerifySettings>
  /** Allows addresses that others reach, although nobody's identity is checked. */
  readonly insecure?: boolean
  readonly log?: Logger
  readonly clock?: Clock
  /** Closes the node when it fires. */
  readonly signal?: AbortSignal
}

interface Settings {
  readonly join: string
  readonly dataDir: string
  readonly name: string
  readonly groups: readonly string[]
  readonly segment: string
  readonly data: DataListen
  readonly bwlimit: string
  readonly hooks: readonly Hook[]
  readonly verify: VerifySettings
}

interface Parts {
  readonly lock: DirectoryLock
  readonly ledger: Ledger
  readonly relay: Relay
  readonly limit: RateLimit
  readonly core: NodeCore
}

/** A node in this process: fetches what its coordinator tells it to, serves it on, switches to it when told. */
export class Node {
  /** 32 hexadecimal digits; stays the same for a data directory. */
  readonly id: string
  readonly name: string
  readonly #parts: Parts
  #closing: Promise<void> | null = null

  private constructor(id: string, name: string, parts: Parts) {
    this.id = id
    this.name = name
    this.#parts = parts
  }

  /**
   * Opens a node on its data directory, takes up what an earlier life left, and begins to call its
   * coordinator, which need not be there yet.
   * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_DATA_DIR_IN_USE, ENGINE_ERR_DATA_DIR_UNWRITABLE,
   * ENGINE_ERR_IDENTITY_DAMAGED, ENGINE_ERR_INSECURE_LISTEN, ENGINE_ERR_PORT_IN_USE, ENGINE_ERR_LISTEN, ENGINE_ERR_IO.
   */
  static async open(options: NodeOptions): Promise<Node> {
    const settings = settingsOf(options)
    options.signal?.throwIfAborted()
    await makeDataDirectory(settings.dataDir)
    const lock = lockDirectory(settings.dataDir)
    try {
      const node = await openLocked(options, settings, lock)
      options.signal?.addEventListener('abort', () => closeOnSignal(node, options.log), { once: true })
      if (options.signal?.aborted) await node.close()
      return node
    } catch (error) {
      lock.release()
      throw toEngineError(error)
    }
  }

  /** Makes a node of its parts; `Node.open` is for everybody else. */
  static of(id: string, name: string, parts: Parts): Node {
    return new Node(id, name, parts)
  }

  /** Where peers fetch from it, as `host:port`. */
  get relayAddress(): string {
    const { host, port } = this.#parts.relay
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }

  /** Whether its coordinator has welcomed it and is still there. */
  get isConnected(): boolean {
    return this.#parts.core.isConnected
  }

  /** What is live and what is held ready, by site. */
  get sites(): readonly NodeSite[] {
    return this.#parts.core.holdings
  }

  /** Reports that its coordinator has not acknowledged yet. */
  get reportsOwed(): number {
    return this.#parts.core.reportsOwed
  }

  /**
   * Settles when the coordinator has welcomed this node.
   * @throws {EngineError} what the coordinator refuses it with for good: ENGINE_ERR_NODE_NAME_TAKEN,
   * ENGINE_ERR_NODE_KEY_CHANGED, ENGINE_ERR_VERSION_MISMATCH, ENGINE_ERR_COORDINATOR_CHANGED; ENGINE_ERR_CANCELLED;
   * ENGINE_ERR_CLOSING.
   */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#parts.core.ready(options.signal)
  }

  /** Leaves, stops transfers where they stand, and lets go of everything. What is live stays. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= closeParts(this.#parts)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function openLocked(options: NodeOptions, settings: Settings, lock: DirectoryLock): Promise<Node> {
  const { log = silentLogger, clock = systemClock } = options
  const { dataDir, name, groups, segment, data } = settings
  const paths = new NodePaths(dataDir)
  const id = await openIdentity(paths.identity, systemRandom)
  const roomLog = log.child({ room: 'node', node: name })
  const signer = await openKey(paths.key, systemRandom)
  const ledger = await Ledger.open({ path: paths.journal, log: roomLog, clock })
  let relay: Relay | undefined
  try {
    const releases = new Releases({ paths, ledger, clock, log: roomLog })
    await releases.recover()
    const opened = new Relay({ host: data.host, port: data.port, nodeId: id, name, role: 'node' })
    relay = opened
    const { port } = relay
    const limit = new RateLimit({ relay, clock, bandwidth: settings.bwlimit })
    const hooks = new Hooks({
      hooks: settings.hooks,
      environment: hookEnvironment(),
      paths,
      nodeName: name,
      clock,
      log: roomLog,
    })
    const core = new NodeCore({
      ...{ paths, ledger, releases, hooks, clock, switchLive },
      identity: { id, name, groups, segment },
      executors: { 'run-hook': new HookCalls({ hooks, ledger }) },
      dataAddress: (localAddress) => announced(data, port, localAddress),
      join: settings.join,
      talks: relay,
      links: {
        ...{ limit, load: machineLoad, isListening: () => opened.isListening },
        probe: (to, isBulk) => opened.probe(to, isBulk),
      },
      software: softwareName(),
      signer,
      plane: dataPlane(relay),
      read: (reading) => new Verifying(reading),
      verify: settings.verify,
      eyes: { lookAt, listAt, openAt, publishedAt, readLive, listReleases },
      random: systemRandom,
      log: roomLog,
    })
    core.start()
    roomLog.info({ nodeId: id, relay: port, join: settings.join }, 'node open')
    return Node.of(id, name, { lock, ledger, relay, limit, core })
  } catch (error) {
    await relay?.close()
    await ledger.close()
    throw error
  }
}

function dataPlane(relay: Relay): DataPlane {
  return {
    openReceiver: (options) => relay.openReceiver(options),
    setPlan: (session, plan) => relay.setPlan(session, plan),
    setPace: (session, pace) => relay.setPace(session, pace),
    closeSession: (session) => relay.closeSession(session),
    poll: () => relay.poll(),
    apply: (options) => new Applying({ ...options, relay }),
  }
}

function softwareName(): string {
  const { name, version } = readSoftware()
  return `${name}/${version}`
}

/** Nobody waits for this: what fails is logged. */
function closeOnSignal(node: Node, log: Logger = silentLogger): void {
  node.close().catch((error: unknown) => log.error({ err: toEngineError(error) }, 'node did not close'))
}

/** Closes all of it, whatever of it fails. */
async function closeParts({ core, relay, limit, ledger, lock }: Parts): Promise<void> {
  limit.close()
  try {
    await core.close()
  } finally {
    try {
      await relay.close()
    } finally {
      try {
        await ledger.close()
      } finally {
        lock.release()
      }
    }
  }
}

function needed<T>(what: string, value: T | null | undefined): T {
  if (value !== undefined && value !== null) return value
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why: 'it is needed to open a node' })
}

function checkName(what: string, value: string): void {
  if (NAME_PATTERN.test(value)) return
  const why = `"${value}" must be ${NAME_RULE}`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what, why })
}

/** A URL of a coordinator. */
function checkJoin(join: string): void {
  if (URL.canParse(join) && /^https?:$/.test(new URL(join).protocol)) return
  const why = `write it like http://127.0.0.1:7400, not ${join}`
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'join', why })
}

/** What is given, else what is configured, else the default. */
function settingsOf(options: NodeOptions): Settings {
  const given = { ...defaults, ...withoutNulls(options.config?.node ?? {}), ...withoutNulls(options) }
  const join = needed('join', given.join)
  const dataDir = needed('dataDir', given.dataDir)
  const name = needed('name', given.name)
  checkJoin(join)
  checkName('name', name)
  checkName('segment', given.segment)
  for (const group of given.groups) checkName('group', group)
  const data = { ...dataDefaults, ...options.config?.node.data, ...options.data }
  requireLoopback('node.data', data.host, options.insecure ?? options.config?.insecure ?? false)
  const hooks = options.hooks === undefined ? (options.config?.node.hooks ?? []) : readHooks(options.hooks)
  const verify = { ...verifyDefaults, ...options.config?.node.verify, ...options.verify }
  return {
    join,
    dataDir,
    name,
    groups: given.groups,
    segment: given.segment,
    data,
    bwlimit: given.bwlimit,
    hooks,
    verify,
  }
}

const dataDefaults: DataListen = { host: '127.0.0.1', port: 0, announceHost: null }
const verifyDefaults: VerifySettings = { everyMs: VERIFY_EVERY_MS_DEFAULT, rateBps: VERIFY_RATE_BPS_DEFAULT }
const defaults = { groups: ['default'] as readonly string[], segment: 'default', bwlimit: BANDWIDTH_OFF }

type Given = Pick<NodeOptions, 'join' | 'dataDir' | 'name' | 'groups' | 'segment' | 'bwlimit'>

/** What was not said does not hide what was said elsewhere. */
function withoutNulls(options: { readonly [K in keyof Given]?: Given[K] | null | undefined }): Given {
  const { join, dataDir, name, groups, segment, bwlimit } = options
  const all = Object.entries({ join, dataDir, name, groups, segment, bwlimit })
  const said = all.filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(said) as Given
}
