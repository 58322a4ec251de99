/** One server to be approached with a word, and those that are its to approach if it takes the word. */
export interface Approach {
  readonly to: number
  readonly rest: readonly number[]
}

/** A word on its way from one node: whom it has approached, whom it is still to approach. */
interface Errand {
  readonly revision: number
  readonly seen: Set<number>
}

/**
 * Halves a list, and gives the first of each half the rest of its half. Who cannot be reached is skipped, and its
 * share is taken on: so each server of a list is approached exactly once, however many of them are gone. Pure but for
 * what it remembers: of each site the servers that were seen to with its newest word.
 */
export class Carrying {
  readonly #errands = new Map<string, Errand>()

  /**
   * Takes a list on. Servers that this node has seen to with this word are left out, and so is this node.
   * @returns whom to approach now; nothing for a word that is older than one it carried.
   */
  take(
    word: { readonly site: string; readonly revision: number },
    indexes: readonly number[],
    own: number,
  ): Approach[] {
    const errand = this.#errandOf(word)
    if (errand === null) return []
    const fresh = [...new Set(indexes)].filter((index) => index !== own && !errand.seen.has(index))
    for (const index of fresh) errand.seen.add(index)
    return halves(fresh).flatMap(approachOf)
  }

  /** Who was to be approached is not there, or does not take the word: the next of its share. */
  failed({ rest }: Approach): Approach | null {
    return approachOf(rest)[0] ?? null
  }

  #errandOf({ site, revision }: { readonly site: string; readonly revision: number }): Errand | null {
    const known = this.#errands.get(site)
    if (known !== undefined && known.revision >= revision) return known.revision === revision ? known : null
    const errand = { revision, seen: new Set<number>() }
    this.#errands.set(site, errand)
    return errand
  }
}

function halves(indexes: readonly number[]): (readonly number[])[] {
  const middle = Math.ceil(indexes.length / 2)
  return [indexes.slice(0, middle), indexes.slice(middle)]
}

function approachOf(share: readonly number[]): Approach[] {
  const [to, ...rest] = share
  return to === undefined ? [] : [{ to, rest }]
}
