import type { World } from './world.js'

/**
 * A damaged release of the shadow counts no more, nor do newer ones, which may share its files: the next publish
 * finds no base, travels whole and makes a sound copy.
 */
export async function disown(world: World, site: string, damaged: number): Promise<void> {
  const held = await world.store.releases.list(site, { heldOnly: true })
  for (const { release } of held.filter((each) => each.release >= damaged)) {
    await world.store.releases.setHeld(site, release, false)
    await world.content.shadow.disown(site, release)
    world.log.error({ site, release }, 'a release of the shadow counts no more; the next publish makes a new copy')
  }
}
