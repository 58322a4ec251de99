import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addressOf, startOn } from '../../test/support/lab.js'
import type { Running } from '../../test/support/process.js'
import { until } from '../../test/support/until.js'
import type { Contender } from '../system/contenders.js'
import { hostsOf, lacksProgram, onEach, stopEach } from './hosts.js'
import { writeTorrent } from './torrent.js'

const PORT = 6881
const trackerAt = `${addressOf(0)}:6969`
const FLAGS = [
  '--no-conf',
  '--quiet',
  // No file of its own beside the content.
  '--auto-save-interval=0',
  // A tracker tells everybody all peers: nothing else is looked for.
  ...['--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--disable-ipv6=true'],
  ...[`--listen-port=${PORT}`, '--bt-max-peers=0', '--bt-tracker-interval=1'],
  ...['--file-allocation=none', '--seed-ratio=0.0', '--allow-overwrite=true'],
]

/** aria2's swarm. Hashing and making the torrent are within the time. */
export const aria2: Contender = {
  name: 'aria2',
  scenarios: ['file'],
  lacks: () => lacksProgram('aria2', 'aria2c', ['--version']),
  prepare: async (field) => {
    const torrent = `${field.directory}/content.torrent`
    const copyOf = (host: number): string => `${field.directory}/aria2-h${host}`
    const noteOf = (host: number): string => `${field.directory}/aria2-h${host}.done`
    const hookOf = (host: number): string => `${field.directory}/aria2-h${host}.sh`
    for (const host of hostsOf(field)) {
      mkdirSync(copyOf(host))
      const [note, hook] = [noteOf(host), hookOf(host)]
      writeFileSync(hook, `#!/bin/sh\ndate +%s%3N > '${note}.part' && mv '${note}.part' '${note}'\n`)
      chmodSync(hook, 0o755)
    }
    const everybody = [0, ...hostsOf(field)].map((host) => `${addressOf(host)}:${PORT}`)
    const script = fileURLToPath(new URL('tracker.py', import.meta.url))
    const tracker = startOn(0, 'python3', [script, trackerAt, ...everybody])
    await until('the tracker listens', () => tracker.output.includes('ready'))
    const running: Running[] = [tracker]
    return {
      run: async () => {
        writeTorrent(torrent, `${field.content}/content.bin`, `http://${trackerAt}/announce`)
        const seed = ['--bt-seed-unverified=true', `--dir=${field.content}`]
        running.push(startOn(0, 'aria2c', [...FLAGS, ...seed, torrent]))
        const takers = onEach(field, (host) => {
          const own = [`--dir=${copyOf(host)}`, `--on-bt-download-complete=${hookOf(host)}`]
          return ['aria2c', [...FLAGS, ...own, torrent]]
        })
        running.push(...takers.values())
        const isOver = (): boolean => hostsOf(field).every((host) => existsSync(noteOf(host)))
        await until('all of aria2 is complete', isOver, () =>
          running.map(({ output }) => output.slice(-300)).join('\n'),
        )
      },
      arrivals: async () => new Map(hostsOf(field).map((host) => [host, Number(readFileSync(noteOf(host), 'utf8'))])),
      copyOf,
      close: () => stopEach(running),
    }
  },
}
