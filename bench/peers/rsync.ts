import { mkdirSync, writeFileSync } from 'node:fs'
import { addressOf, startOn } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'
import type { Arrivals, Contender } from '../system/contenders.js'
import { endings, hostsOf, lacksProgram, onEach, stopEach } from './hosts.js'

/** One push a host, all at once, into rsync daemons; `-z` compresses with the best both ends know. */
export const rsync = (name: string, flags: readonly string[], scenarios: Contender['scenarios']): Contender => ({
  name,
  scenarios,
  lacks: () => lacksProgram('rsync', 'rsync', ['--version']),
  prepare: async (field) => {
    const copyOf = (host: number): string => `${field.directory}/rsync-h${host}`
    const daemons = onEach(field, (host) => {
      mkdirSync(copyOf(host), { recursive: true })
      const config = `${field.directory}/rsyncd-h${host}.conf`
      writeFileSync(
        config,
        `use chroot = no\nuid = 0\ngid = 0\nreverse lookup = no\n[d]\npath = ${copyOf(host)}\nread only = no\n`,
      )
      const address = `--address=${addressOf(host)}`
      return ['rsync', ['--daemon', '--no-detach', '--port=8730', address, `--config=${config}`]]
    })
    await until('the rsync daemons answer', async () => {
      const lists = hostsOf(field).map((host) => startOn(0, 'rsync', [`rsync://${addressOf(host)}:8730/`]).exited)
      return (await Promise.all(lists)).every((list) => list.code === 0)
    })
    let arrivals: Arrivals = new Map()
    return {
      run: async () => {
        const pushes = hostsOf(field).map((host) => {
          const target = `rsync://${addressOf(host)}:8730/d/`
          return [host, startOn(0, 'rsync', ['-a', '--delete', ...flags, `${field.content}/`, target])] as const
        })
        arrivals = await endings('rsync', new Map(pushes))
      },
      arrivals: async () => arrivals,
      copyOf,
      close: () => stopEach(daemons.values()),
    }
  },
})
