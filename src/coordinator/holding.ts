import { checkHold, goesOn, holdAt, laterHold } from '../jobs/hold.js'
import type { CommandRequest } from '../model/job.js'
import type { Hold, HoldRequest, ResumeRequest, SiteView } from '../model/site.js'
import type { Tables } from '../store/store.js'
import { siteView } from './views.js'
import { refreshSite, type World } from './world.js'

/**
 * Holds a site on the release that it serves; it is durable when this answers. A hold that ends later stands.
 * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN.
 */
export async function holdSite(world: World, site: string, { reason, forMs }: HoldRequest): Promise<SiteView> {
  const atMs = world.clock.nowMs()
  const asked: Hold = { reason, untilMs: forMs === null ? null : atMs + forMs }
  await world.store.transaction(async (tables) => {
    const { hold: before } = await tables.sites.require(site)
    const hold = laterHold(holdAt(before, atMs), asked)
    await tables.sites.setHold(site, hold)
    await announce(world, tables, { type: 'engine.site.held', site, atMs, data: dataOf(hold) })
  })
  return told(world, site)
}

/**
 * Ends the hold of a site; jobs that waited for it go on. One that is not held is left as it is.
 * @throws {EngineError} ENGINE_ERR_SITE_UNKNOWN.
 */
export async function resumeSite(world: World, site: string, { reason }: ResumeRequest): Promise<SiteView> {
  const atMs = world.clock.nowMs()
  await world.store.transaction(async (tables) => {
    const { hold } = await tables.sites.require(site)
    if (hold === null) return
    await tables.sites.setHold(site, null)
    const data = { reason, held: hold.reason }
    await announce(world, tables, { type: 'engine.site.resumed', site, atMs, data })
  })
  return told(world, site)
}

/** @throws {EngineError} ENGINE_ERR_SITE_HELD where commands would make another release of a held site live. */
export function checkHeld(world: World, site: string, commands: readonly CommandRequest[]): void {
  const record = world.sites.get(site)?.record
  if (record !== undefined && goesOn(commands)) checkHold(site, record.hold, world.clock.nowMs())
}

interface SiteNews {
  readonly type: 'engine.site.held' | 'engine.site.resumed'
  readonly site: string
  readonly atMs: number
  readonly data: Readonly<Record<string, unknown>>
}

const announce = (world: World, tables: Tables, news: SiteNews): Promise<void> =>
  world.announcing.announce(tables, {
    ...news,
    subject: `sites/${news.site}`,
    data: { site: news.site, ...news.data },
  })

const dataOf = ({ reason, untilMs }: Hold): Readonly<Record<string, unknown>> => ({
  reason,
  until: untilMs === null ? null : new Date(untilMs).toISOString(),
})

async function told(world: World, site: string): Promise<SiteView> {
  await refreshSite(world, site)
  world.announcing.ring()
  return siteView(world, site)
}
