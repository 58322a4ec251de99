import { mkdirSync } from 'node:fs'
import { addressOf, startOn } from '../../test/support/lab.js'
import type { Running } from '../../test/support/process.js'
import { until } from '../../test/support/until.js'
import type { Contender } from '../system/contenders.js'
import { hostsOf, lacksProgram, onEach, stopEach } from './hosts.js'
import { writeTorrent } from './torrent.js'

const PORT = 6881
/** Ample: where no receiver gets ahead, the source sends to each of them all that there is. */
const SWARM_MS_MAX = 900_000
const peerOf = (host: number): string => `${addressOf(host)}:${PORT}`

/** One peer. @param others whom it is told of: nobody else is looked for. */
const argumentsOf = (
  host: number,
  directory: string,
  torrent: string,
  others: readonly number[],
): readonly string[] => [
  ...['--disable-dht', '--disable-lsd', '--disable-trackers', '--disable-upnp-port-forward', '--ipv4-only'],
  ...[`--listen-ip=${addressOf(host)}`, `--listen-port=${PORT}`],
  // Receivers that have nothing for one another yet would part after ten seconds.
  '--peer-read-write-timeout=300s',
  ...['download', '--disable-http-api', '--overwrite', `--output-folder=${directory}`],
  ...(others.length === 0 ? [] : [`--initial-peers=${others.map(peerOf).join(',')}`]),
  torrent,
]

/** When its log, where a time begins each line, says that it has all: milliseconds since 1970; NaN: not yet. */
const finishedAtMs = (peer: Running | undefined): number =>
  Date.parse(/^(\S+) .*torrent finished downloading/m.exec(peer?.output ?? '')?.[1] ?? '')

/**
 * rqbit's swarm; every receiver is told all others, and the source waits for them. Within the time are hashing, making
 * the torrent and the source's check of its content: it serves nothing unchecked. Receivers begin after that, one by
 * one as processes do. They take pieces in the order of the file, and had little for one another if all began at once.
 */
export const rqbit: Contender = {
  name: 'rqbit',
  scenarios: ['file'],
  lacks: () => lacksProgram('rqbit', 'rqbit', ['--version']),
  prepare: async (field) => {
    const [torrent, all] = [`${field.directory}/content.torrent`, [0, ...hostsOf(field)]]
    const copyOf = (host: number): string => `${field.directory}/rqbit-h${host}`
    for (const host of hostsOf(field)) mkdirSync(copyOf(host))
    const running: Running[] = []
    const story = (): string => running.map(({ output }) => output.slice(-300)).join('\n')
    const wait = (claim: string, ask: () => boolean): Promise<boolean> => {
      const checked = (): boolean => {
        if (running.every((peer) => peer.running)) return ask()
        throw new Error(`a peer of rqbit ended: ${story()}`)
      }
      return until(claim, checked, story, SWARM_MS_MAX)
    }
    let takers: ReadonlyMap<number, Running> = new Map()
    return {
      run: async () => {
        writeTorrent(torrent, `${field.content}/content.bin`, 'http://none.invalid/')
        const seed = startOn(0, 'rqbit', argumentsOf(0, field.content, torrent, []))
        running.push(seed)
        await wait('the source has checked', () => seed.output.includes('Initial check results'))
        takers = onEach(field, (host) => {
          const others = all.filter((each) => each !== host)
          return ['rqbit', argumentsOf(host, copyOf(host), torrent, others)]
        })
        running.push(...takers.values())
        const isOver = (): boolean => hostsOf(field).every((host) => Number.isFinite(finishedAtMs(takers.get(host))))
        await wait('all of rqbit is complete', isOver)
      },
      arrivals: async () => new Map(hostsOf(field).map((host) => [host, finishedAtMs(takers.get(host))])),
      copyOf,
      close: () => stopEach(running),
    }
  },
}
