import { randomBytes } from 'node:crypto'
import { monotonicFactory } from 'ulid'

/** All that may be random. Rooms take one, so that tests repeat a run by its seed. */
export interface Random {
  /** `[0, 1)`. */
  next(): number
  /** Whole number in `[0, bound)`; `bound` ≥ 1. */
  below(bound: number): number
  /** `length` bytes. */
  bytes(length: number): Buffer
}

function fromNext(next: () => number, bytes: (length: number) => Buffer): Random {
  return { next, below: (bound) => Math.floor(next() * bound), bytes }
}

/** The machine's source, good enough for keys. */
export const systemRandom: Random = fromNext(
  () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  (length) => randomBytes(length),
)

/** A repeatable source (mulberry32): the same seed gives the same run. Never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)))
  return fromNext(next, bytes)
}

/** A shuffled copy (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items]
  for (let last = copy.length - 1; last > 0; last--) {
    const other = random.below(last + 1)
    const kept = copy[last] as T
    copy[last] = copy[other] as T
    copy[other] = kept
  }
  return copy
}

/** `ms` moved by up to ±`share` of itself, so that many who wait do not wake together. */
export function jittered(ms: number, share: number, random: Random): number {
  return ms * (1 - share + 2 * share * random.next())
}

/** Gives ids that sort by time (ULID, 26 characters), also within one millisecond. */
export function idSource(nowMs: () => number, random: Random): () => string {
  const next = monotonicFactory(() => random.next())
  return () => next(nowMs())
}

/** Identity of a process: 32 lower-case hexadecimal digits. */
export function newIdentity(random: Random): string {
  return random.bytes(16).toString('hex')
}
