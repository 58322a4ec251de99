// What an all-knowing observer saw, in the order in which it became durable: decisions, switches, acknowledgements.
import type { Report } from '../../src/control/schema/channel.js'
import type { Target } from './database.js'
import type { SimNode } from './node.js'

const keyOf = ({ release, treeHash }: { readonly release: number; readonly treeHash: string }): string =>
  `${release}@${treeHash.slice(0, 12)}`

export class Oracle {
  readonly broken: string[] = []
  readonly acked: { readonly node: SimNode; readonly report: Report }[] = []
  /** Decisions of each site, oldest first. */
  readonly decided = new Map<string, Target[]>()
  /** By node and site: the decision that it serves. */
  readonly #serves = new Map<string, number>()
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
      return true
    })
  }

  isDecided(site: string, ref: { readonly release: number; readonly treeHash: string }): boolean {
    return (this.decided.get(site) ?? []).some((each) => keyOf(each) === keyOf(ref))
  }

  /** I1, I5: what becomes visible was decided, and no older decision follows a newer one. */
  switched(node: string, site: string, ref: { readonly release: number; readonly treeHash: string }): void {
    const all = this.decided.get(site) ?? []
    const before = this.#serves.get(`${node} ${site}`) ?? 0
    const now = all.findIndex((each, index) => index >= before && keyOf(each) === keyOf(ref))
    if (now < 0) {
      const why = this.isDecided(site, ref) ? 'older than what it served' : 'never decided'
      this.break(`${why === 'never decided' ? 'I1' : 'I5'}: ${node} serves ${site}@${keyOf(ref)}, ${why}`)
    } else this.#serves.set(`${node} ${site}`, now)
  }
}
