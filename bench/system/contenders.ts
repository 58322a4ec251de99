// The ways of bringing one directory to many hosts of the lab that are compared: ours by strategy, and peers.
// In: where the content is and how many hosts. Out: when each host had all of it.
// Each prepares its daemons before the clock starts, and takes them down afterwards.
import { aria2 } from '../peers/aria2.js'
import { bareChain } from '../peers/chain.js'
import { engine } from '../peers/engine.js'
import { libtorrent } from '../peers/libtorrent.js'
import { rqbit } from '../peers/rqbit.js'
import { rsync } from '../peers/rsync.js'

export interface Field {
  /** Directory on a file system in memory, for this run alone. */
  readonly directory: string
  /** Directory with the content. */
  readonly content: string
  readonly nodeCount: number
}

export interface Contender {
  readonly name: string
  /** What a run needs of scenarios: a chain carries one file only. */
  readonly scenarios: readonly ('file' | 'first' | 'update')[]
  /** What it needs and this machine does not have; null: nothing. */
  lacks(): Promise<string | null>
  prepare(field: Field): Promise<Prepared>
}

/** When each host, by its number from 1, had everything: milliseconds since 1970. */
export type Arrivals = ReadonlyMap<number, number>

export interface Prepared {
  /** Carries the content as it is now to every host; resolves when the last one has it. */
  run(): Promise<void>
  /** Of the last run. */
  arrivals(): Promise<Arrivals>
  /** Where host `n` (from 1) has its copy. */
  copyOf(host: number): string
  close(): Promise<void>
}

export const contenders: readonly Contender[] = [
  engine('braid'),
  engine('braid', { isNew: true }),
  bareChain,
  engine('chain'),
  engine('tree'),
  engine('star'),
  engine('handout'),
  engine('cascade'),
  libtorrent,
  aria2,
  rqbit,
  rsync('rsync', ['--whole-file'], ['file']),
  rsync('rsync -z', ['-z', '-c'], ['first', 'update']),
]
