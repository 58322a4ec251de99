import { toEngineError } from '../base/errors.js'
import type { FleetEventType, News } from '../model/fleet-event.js'
import type { StandingRecord } from '../store/standings.js'
import { silenceOf } from '../track/silence.js'
import { type Change, presenceChange, siteChange } from '../track/standing.js'
import { isAmong } from './audience.js'
import type { KnownNode } from './roster.js'
import { dueOn } from './steering.js'
import { activeJob, inBackground, type World } from './world.js'

/** The site of a standing that is about the node itself. */
const PRESENCE = ''

interface Written {
  readonly record: StandingRecord
  readonly news: News | null
}

const keyOf = (nodeId: string, site: string): string => `${nodeId} ${site}`

/** What was told of each node, so that each change is told once, also across restarts. */
export class NodeStandings {
  readonly #world: () => World
  readonly #told = new Map<string, StandingRecord>()
  /** Noticed and not written yet. */
  #waiting: Written[] = []
  #writing = false

  /** @param world the world that this is a part of. */
  constructor(world: () => World) {
    this.#world = world
  }

  /** Takes up what earlier lives told. */
  async recover(): Promise<void> {
    for (const record of await this.#world().store.standings.list()) {
      this.#told.set(keyOf(record.nodeId, record.site), record)
    }
  }

  /** Looks how a node stands now; what changed is written soon, then told. Never throws. */
  look(known: KnownNode): void {
    const world = this.#world()
    const { id } = known.identity
    const isSilent = silenceOf(known.presence, world.openedAtMs, world.clock.monotonicMs()) !== null
    const presence = this.#told.get(keyOf(id, PRESENCE))?.standing ?? null
    this.#take(known, PRESENCE, presenceChange(presence, { online: known.presence.online, isSilent }))
    for (const { record } of world.sites.values()) {
      if (!isAmong(record, known)) continue
      const { site } = record
      const target = dueOn(world, known, site)
      const isJobAtWork = activeJob(world, site) !== undefined
      const before = this.#told.get(keyOf(id, site)) ?? null
      this.#take(known, site, siteChange(before, { target, live: known.holdings(site).live, isJobAtWork }))
    }
    this.#write()
  }

  #take(
    known: KnownNode,
    site: string,
    change: Change<'joined' | 'lost' | 'behind' | 'drifted' | 'repaired'> | null,
  ): void {
    if (change === null) return
    const world = this.#world()
    const nodeId = known.identity.id
    const release = world.sites.get(site)?.record.target?.release ?? null
    const record = { nodeId, site, standing: change.standing, release }
    this.#told.set(keyOf(nodeId, site), record)
    const type = change.news === null ? null : (`engine.node.${change.news}` as const)
    this.#waiting.push({ record, news: type === null ? null : newsOf(world, type, known, record) })
  }

  /** One transaction at a time; what could not be written comes with the next look. */
  #write(): void {
    if (this.#writing || this.#waiting.length === 0) return
    const world = this.#world()
    this.#writing = true
    inBackground(world, 'telling of nodes', async () => {
      // Of nodes that come in the same moment all is written in one step.
      await world.clock.turn()
      const written = this.#waiting
      this.#waiting = []
      try {
        await world.store.transaction(async (tables) => {
          for (const { record, news } of written) {
            await tables.standings.put(record)
            if (news !== null) await world.announcing.announce(tables, news)
          }
        })
        world.announcing.ring()
      } catch (error) {
        this.#waiting = [...written, ...this.#waiting]
        throw toEngineError(error)
      } finally {
        this.#writing = false
      }
    })
  }
}

function newsOf(world: World, type: FleetEventType, known: KnownNode, { site, release }: StandingRecord): News {
  const { id: nodeId, name, groups, segment } = known.identity
  const live = known.holdings(site).live?.release ?? null
  const ofSite = site === PRESENCE ? {} : { site, release, liveRelease: live }
  const data = { nodeId, name, groups, segment, lastSeenAt: new Date(known.lastSeenMs).toISOString(), ...ofSite }
  const about = { type, subject: `nodes/${name}`, site: site === PRESENCE ? null : site }
  return { ...about, atMs: world.clock.nowMs(), data }
}
