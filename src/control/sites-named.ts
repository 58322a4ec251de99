import { EngineError } from '../base/errors.js'
import type { SiteView } from '../model/site.js'
import type { SitesNamed } from './door/sites.js'

/**
 * Does something with a site that is named, or with each of a group, one after the other.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_SITE_UNKNOWN, and what `work` throws.
 */
export async function eachSite(
  all: readonly SiteView[],
  { site, group }: SitesNamed,
  work: (site: string) => Promise<SiteView>,
): Promise<readonly SiteView[]> {
  if (site === undefined && group === undefined) {
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'the call', why: 'name a site or a group' })
  }
  const named = all.filter((each) => (site ?? each.site) === each.site && (group ?? each.group) === each.group)
  if (named.length === 0) throw new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site: site ?? `in group ${group}` })
  const done: SiteView[] = []
  for (const each of named) done.push(await work(each.site))
  return done
}
