import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addressOf, startOn } from '../../test/support/lab.js'
import { start } from '../../test/support/process.js'
import { until } from '../../test/support/until.js'
import type { Contender } from '../system/contenders.js'
import { hostsOf, onEach, stopEach } from './hosts.js'
import { writeTorrent } from './torrent.js'

const script = fileURLToPath(new URL('libtorrent_peer.py', import.meta.url))
const peerOf = (host: number): string => `${addressOf(host)}:6881`

/** The first Python that has libtorrent: that of a system's packages need not be the first in the path. */
async function findPython(): Promise<string | null> {
  for (const python of ['python3', '/usr/bin/python3']) {
    const outcome = await start(python, ['-c', 'import libtorrent']).exited.catch(() => null)
    if (outcome?.code === 0) return python
  }
  return null
}

/** Its swarm, tuned; every peer is told all others. Hashing and making the torrent are within the time. */
export const libtorrent: Contender = {
  name: 'libtorrent',
  scenarios: ['file'],
  lacks: async () => ((await findPython()) === null ? 'python3-libtorrent is not installed' : null),
  prepare: async (field) => {
    const python = (await findPython()) ?? 'python3'
    const [torrent, all] = [`${field.directory}/content.torrent`, [0, ...hostsOf(field)]]
    const copyOf = (host: number): string => `${field.directory}/libtorrent-h${host}`
    const argumentsOf = (role: string, host: number, directory: string): readonly string[] => {
      const others = all.filter((each) => each !== host).map(peerOf)
      return [script, role, peerOf(host), directory, torrent, ...others]
    }
    const takers = onEach(field, (host) => {
      mkdirSync(copyOf(host))
      return [python, argumentsOf('take', host, copyOf(host))]
    })
    const seed = startOn(0, python, argumentsOf('seed', 0, field.content))
    const peers = [seed, ...takers.values()]
    await until('the peers are ready', () => peers.every(({ output }) => output.includes('ready')))
    const completed = (host: number): number =>
      Number(/complete (\d+)/.exec(takers.get(host)?.output ?? '')?.[1] ?? Number.NaN)
    return {
      run: async () => {
        writeTorrent(torrent, `${field.content}/content.bin`, 'http://none.invalid/')
        const isOver = (): boolean => hostsOf(field).every((host) => Number.isFinite(completed(host)))
        await until('all peers are complete', isOver, () => peers.map(({ output }) => output.slice(-300)).join('\n'))
      },
      arrivals: async () => new Map(hostsOf(field).map((host) => [host, completed(host)])),
      copyOf,
      close: () => stopEach(peers),
    }
  },
}
