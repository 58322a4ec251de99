// What an all-knowing observer saw, in the order in which it became durable: decisions, switches, acknowledgements.
import type { Report } from '../../src/control/schema/channel.js'
import type { Canaries, Target } from './database.js'
import type { SimNode } from './node.js'

const keyOf = ({ release, treeHash }: { readonly release: number; readonly treeHash: string }): string =>
  `${release}@${treeHash.slice(0, 12)}`

export class Oracle {
  readonly broken: string[] = []
  readonly acked: { readonly node: SimNode; readonly report: Report }[] = []
  /** Decisions of each site, oldest first. */
  readonly decided = new Map<string, Target[]>()
  /** By job and release: canaries, once they are on record. */
  readonly canaries = new Map<string, Canaries>()
  /** By node and site: the decision that it serves. */
  readonly #serves = new Map<string, number>()
  /** By node and site: what it serves, decided or not. */
  readonly #shows = new Map<string, string>()
  readonly #time: () => number

  constructor(time: () => number) {
    this.#time = time
  }

  break(what: string): void {
    if (this.broken.length < 20) this.broken.push(`at ${this.#time()} ms: ${what}`)
  }

  /** Targets as they are durable now; those that are new are decisions. @returns those. */
  note(targets: readonly Target[]): readonly Target[] {
    return targets.filter((target) => {
      const all = this.decided.get(target.site) ?? []
      const last = all.at(-1)
      if (last !== undefined && last.jobId === target.jobId && keyOf(last) === keyOf(target)) return false
      this.decided.set(target.site, [...all, target])
      // Canaries serve it already: from now on they may not go back, either.
      for (const [place, shown] of this.#shows) {
        if (place.endsWith(` ${target.site}`) && shown === keyOf(target)) this.#serves.set(place, all.length)
      }
      return true
    })
  }

  isDecided(site: string, ref: { readonly release: number; readonly treeHash: string }): boolean {
    return (this.decided.get(site) ?? []).some((each) => keyOf(each) === keyOf(ref))
  }

  noteCanaries(all: readonly Canaries[]): void {
    for (const each of all) this.canaries.set(`${each.jobId} ${each.release}`, each)
  }

  #isCanary(node: string, site: string, ref: { readonly release: number; readonly treeHash: string }): boolean {
    return [...this.canaries.values()].some(
      (each) => each.site === site && keyOf(each) === keyOf(ref) && each.names.includes(node),
    )
  }

  /**
   * I1, I5: what becomes visible was decided, or is shown by one of those who go first; and no older decision follows
   * a newer one.
   */
  switched(node: string, site: string, ref: { readonly release: number; readonly treeHash: string }): void {
    this.#shows.set(`${node} ${site}`, keyOf(ref))
    if (!this.isDecided(site, ref) && this.#isCanary(node, site, ref)) return
    const all = this.decided.get(site) ?? []
    const before = this.#serves.get(`${node} ${site}`) ?? 0
    const now = all.findIndex((each, index) => index >= before && keyOf(each) === keyOf(ref))
    if (now < 0) {
      const why = this.isDecided(site, ref) ? 'older than what it served' : 'never decided'
      this.break(`${why === 'never decided' ? 'I1' : 'I5'}: ${node} serves ${site}@${keyOf(ref)}, ${why}`)
    } else this.#serves.set(`${node} ${site}`, now)
  }
}
