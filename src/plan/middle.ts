/** The middle one of numbers that come and go, each in O(log n) steps and one move of the rest. */
export class Middle {
  readonly #sorted: number[]

  constructor(values: readonly number[]) {
    this.#sorted = [...values].sort((a, b) => a - b)
  }

  /** The upper one of two; 1 where there is none: as `medianOf` has it. */
  get value(): number {
    return this.#sorted[Math.floor(this.#sorted.length / 2)] ?? 1
  }

  add(value: number): void {
    this.#sorted.splice(this.#placeOf(value), 0, value)
  }

  /** Nothing happens when it is not there. */
  remove(value: number): void {
    const place = this.#placeOf(value)
    if (this.#sorted[place] === value) this.#sorted.splice(place, 1)
  }

  /** Of the first that is not less. */
  #placeOf(value: number): number {
    let [from, to] = [0, this.#sorted.length]
    while (from < to) {
      const at = (from + to) >> 1
      if ((this.#sorted[at] as number) < value) from = at + 1
      else to = at
    }
    return from
  }
}
