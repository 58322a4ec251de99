import { evenRate, hasLaggard, type Look, type SlowLink } from './flows.js'

/**
 * Links are known when all got what the source could give at so many looks, and not when one lagged at as many. A look
 * counts as far as what is told at it is news.
 */
const KNOWN_LOOKS = 4
/** After a link was not what it was taken for, none is known for this time. */
const DOUBT_MS = 60_000

/** Whose links were compared with the others' in what they carried, until one is not what it was. Pure. */
export class Comparing {
  readonly #compared = new Set<string>()
  readonly #starved = new Set<string>()
  #evenBps: number | null = null
  #evenLooks = 0
  #laggingLooks = 0
  #doubtedTillMs = Number.NEGATIVE_INFINITY

  /** What all got when their links became known; null: nobody's are. */
  get evenBps(): number | null {
    return this.#evenBps
  }

  knows(nodeId: string): boolean {
    return this.#compared.has(nodeId)
  }

  isDoubted(nowMs: number): boolean {
    return nowMs < this.#doubtedTillMs
  }

  /**
   * Links become known while they are even, and are not when one lags behind what it was known for.
   * @param changes what this look has found of single nodes. @returns whether doubt was raised.
   */
  look(look: Look, changes: readonly Pick<SlowLink, 'starved'>[]): boolean {
    const evenBps = evenRate(look)
    const news = newsShare(look)
    this.#laggingLooks = hasLaggard(look) ? this.#laggingLooks + news : 0
    this.#evenLooks = evenBps === null ? 0 : this.#evenLooks + news
    if (this.heed(look.nowMs, changes)) return true
    if (this.#laggingLooks >= KNOWN_LOOKS) {
      this.#doubt(look.nowMs)
      return true
    }
    if (this.#evenLooks >= KNOWN_LOOKS && !this.isDoubted(look.nowMs)) {
      this.#evenBps ??= evenBps
      for (const nodeId of look.into.keys()) this.#compared.add(nodeId)
    }
    return false
  }

  /** @param changes what was found of single nodes. @returns whether doubt was raised. */
  heed(nowMs: number, changes: readonly Pick<SlowLink, 'starved'>[]): boolean {
    const areDoubtful = this.#areDoubtful(changes)
    if (areDoubtful) this.#doubt(nowMs)
    return areDoubtful
  }

  /** Of a link that was known its sender is slow; when another that serves the same is, too, nobody knows who it is. */
  #areDoubtful(changes: readonly Pick<SlowLink, 'starved'>[]): boolean {
    const isClear = ({ starved = [] }: Pick<SlowLink, 'starved'>): boolean =>
      starved.length > 0 && !starved.some((nodeId) => this.#starved.has(nodeId))
    const areClear = changes.every(isClear)
    for (const { starved = [] } of changes) for (const nodeId of starved) this.#starved.add(nodeId)
    return !areClear
  }

  #doubt(nowMs: number): void {
    this.#evenBps = null
    this.#compared.clear()
    this.#starved.clear()
    this.#evenLooks = 0
    this.#doubtedTillMs = nowMs + DOUBT_MS
  }
}

/** Part of the nodes that have said something since the look before. */
const newsShare = ({ reports }: Look): number =>
  reports.filter(({ isOld }) => isOld !== true).length / Math.max(1, reports.length)
