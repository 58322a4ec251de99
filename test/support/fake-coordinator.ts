// A coordinator that decides nothing: a real control plane and a real relay, and a test that says what
// is packed, sent and vouched for.
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '../../src/base/clock.js'
import { silentLogger } from '../../src/base/log.js'
import { createMetrics } from '../../src/control/metrics.js'
import type { FromCoordinator, Report, Stage } from '../../src/control/schema/channel.js'
import { ControlServer } from '../../src/control/server.js'
import { pack, scan } from '../../src/native/content.js'
import { generateKey } from '../../src/native/keys.js'
import { Relay } from '../../src/native/relay.js'
import { FakeDoor, type Joined } from './fake-door.js'
import { stablePort } from './port.js'
import { until } from './until.js'

const coordinatorId = 'd'.repeat(32)

/** One packed assignment, with its vouches in order. */
export interface Packed {
  readonly release: number
  readonly treeHash: string
  readonly assignmentId: string
  readonly chunkBytes: number
  readonly streamBytes: number
  readonly path: string
  readonly directory: string
  readonly treePath: string
  readonly vouches: readonly Uint8Array[]
}

class WelcomingDoor extends FakeDoor {
  readonly #publicKey: string

  constructor(publicKey: string) {
    super()
    this.#publicKey = publicKey
    this.welcomes = false
  }

  override nodeConnected(...of: Parameters<FakeDoor['nodeConnected']>): ReturnType<FakeDoor['nodeConnected']> {
    const [link] = of
    const who = { version: 1, role: 'coordinator', coordinatorId: this.coordinatorId } as const
    link.send({ type: 'welcome', ...who, publicKey: this.#publicKey })
    return super.nodeConnected(...of)
  }
}

export class FakeCoordinator {
  readonly door: FakeDoor
  readonly relay: Relay
  readonly directory: string
  server: ControlServer
  readonly #key: ReturnType<typeof generateKey>
  readonly #sessions = new Map<string, number>()
  #serial = 0

  private constructor(parts: {
    readonly door: FakeDoor
    readonly relay: Relay
    readonly server: ControlServer
    readonly key: ReturnType<typeof generateKey>
    readonly directory: string
  }) {
    this.door = parts.door
    this.relay = parts.relay
    this.server = parts.server
    this.directory = parts.directory
    this.#key = parts.key
  }

  static async open(directory: string): Promise<FakeCoordinator> {
    const key = generateKey()
    const door = new WelcomingDoor(key.publicKey.toString('hex'))
    const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: coordinatorId, name: 'source', role: 'coordinator' })
    const server = await FakeCoordinator.#serve(door, await stablePort())
    await mkdir(directory, { recursive: true })
    return new FakeCoordinator({ door, relay, server, key, directory })
  }

  static #serve(door: FakeDoor, port: number): Promise<ControlServer> {
    const where = { host: '127.0.0.1', port }
    return ControlServer.open({ door, ...where, log: silentLogger, clock: systemClock, metrics: createMetrics() })
  }

  /** Goes away and comes back at the same address, as after a restart. */
  async restart(): Promise<void> {
    const { port } = this.server.address
    await this.server.close()
    this.server = await FakeCoordinator.#serve(this.door, port)
  }

  async close(): Promise<void> {
    await this.server.close()
    await this.relay.close()
  }

  /** The node's newest connection. */
  async joined(count = 1): Promise<Joined> {
    return until(`${count} connections`, () => (this.door.joined.length >= count ? this.door.joined.at(-1) : undefined))
  }

  /** Packs files as a release, from nothing or from a base. */
  async pack(
    release: number,
    files: Readonly<Record<string, Buffer | string>>,
    options: { readonly base?: Packed; readonly chunkBytes?: number } = {},
  ): Promise<Packed> {
    const { base } = options
    const directory = join(this.directory, `release-${release}`)
    for (const [name, content] of Object.entries(files)) {
      const path = join(directory, name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
      await utimes(path, 1_600_000_000, 1_600_000_000)
    }
    const at = (suffix: string): string => join(this.directory, `${release}.${suffix}`)
    const { treeHash } = scan({ directory, outTreePath: at('tree'), shadowTreePath: null }, () => true)
    const vouches: Uint8Array[] = []
    const packed = pack(
      {
        directory,
        treePath: at('tree'),
        baseDirectory: base?.directory ?? null,
        baseTreePath: base?.treePath ?? null,
        serial: ++this.#serial,
        command: 'publish',
        site: 'www',
        release,
        baseRelease: base?.release ?? 0,
        outPath: at('stream'),
        vouchPath: at('vouch'),
        chunkBytes: options.chunkBytes ?? 65_536,
        signingKey: this.#key.seed,
        createdNs: 1n,
        held: null,
      },
      ({ vouch }) => {
        if (vouch !== null) vouches.push(Uint8Array.from(vouch))
        return true
      },
    )
    const { assignmentId, chunkBytes, streamBytes } = packed
    const paths = { path: at('stream'), directory, treePath: at('tree') }
    return { release, treeHash, assignmentId, chunkBytes, streamBytes, ...paths, vouches }
  }

  /** Opens a source session that vouches for nothing yet. */
  offer({ assignmentId, path, chunkBytes }: Packed): void {
    const plan = { strandCount: 1, parents: [[]], peers: [] }
    const { publicKey } = this.#key
    this.#sessions.set(assignmentId, this.relay.openSource({ assignmentId, path, chunkBytes, publicKey, plan }))
  }

  /** Lets the first `count` vouches out; all of them when absent. */
  vouch({ assignmentId, vouches }: Packed, from = 0, to = vouches.length): void {
    const session = this.#sessions.get(assignmentId)
    if (session === undefined) throw new Error('it was not offered')
    for (const vouch of vouches.slice(from, to)) this.relay.vouch(session, vouch)
  }

  stageOf(packed: Packed, base: Packed | null = null): Stage {
    const { assignmentId: id, chunkBytes, release, treeHash } = packed
    const source = { nodeId: coordinatorId, host: this.relay.host, port: this.relay.port }
    return {
      type: 'stage',
      commandId: `stage-${release}`,
      jobId: `job-${release}`,
      number: 1,
      site: 'www',
      release,
      treeHash,
      base: base === null ? null : { release: base.release, treeHash: base.treeHash },
      assignment: { id, serial: release, chunkBytes },
      plan: { strandCount: 1, parents: [[source]], peers: [] },
    }
  }

  commitOf({ release, treeHash }: Packed): FromCoordinator {
    const ids = { commandId: `commit-${release}`, jobId: `job-${release}` }
    return { type: 'commit', ...ids, number: 2, command: 'commit', site: 'www', release, treeHash }
  }

  /** Waits for a report on a connection. */
  async reported(joined: Joined, kind: Report['kind'], command: Report['command']): Promise<Report> {
    return until(`a ${kind} of ${command}`, () =>
      joined.messages.find(
        (message): message is Report =>
          message.type === 'report' && message.kind === kind && message.command === command,
      ),
    )
  }
}
