const DIGEST_BYTES = 32
const RECORD_BYTES = 40

/**
 * Contents that an upload brings, ascending by digest, as the native side writes them: 40 bytes each, so that a
 * million cost 40 MB and no object. Pure.
 */
export class WantedList {
  readonly #records: Buffer

  /** @param records  32 bytes of digest and 8 of size (little-endian), again and again. */
  constructor(records: Buffer) {
    this.#records = records
  }

  get count(): number {
    return Math.floor(this.#records.length / RECORD_BYTES)
  }

  digestAt(index: number): string {
    const at = index * RECORD_BYTES
    return this.#records.toString('hex', at, at + DIGEST_BYTES)
  }

  sizeAt(index: number): number {
    return Number(this.#records.readBigUInt64LE(index * RECORD_BYTES + DIGEST_BYTES))
  }

  /** The first place whose digest is `digest` or comes after it; `count` when there is none. */
  placeOf(digest: string): number {
    const wanted = Buffer.from(digest, 'hex')
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = middle * RECORD_BYTES
      if (this.#records.compare(wanted, 0, wanted.length, at, at + DIGEST_BYTES) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The size that a content has; null when it is not wanted. */
  sizeOf(digest: string): number | null {
    const place = this.placeOf(digest)
    return place < this.count && this.digestAt(place) === digest ? this.sizeAt(place) : null
  }
}
