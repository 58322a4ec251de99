/** Releases that must not be removed just now, by site; one may be pinned several times. */
export class Pins {
  readonly #bySite = new Map<string, Map<number, number>>()

  /** Pins a release; what is returned takes the pin out again, once. */
  add(site: string, release: number): () => void {
    const counts = this.#bySite.get(site) ?? new Map<number, number>()
    this.#bySite.set(site, counts)
    counts.set(release, (counts.get(release) ?? 0) + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const left = (counts.get(release) ?? 1) - 1
      if (left > 0) counts.set(release, left)
      else counts.delete(release)
      if (counts.size === 0) this.#bySite.delete(site)
    }
  }

  of(site: string): ReadonlySet<number> {
    return new Set(this.#bySite.get(site)?.keys())
  }
}
