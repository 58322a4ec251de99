// The ways of bringing one directory to many hosts of the lab that are compared: ours by strategy, and rivals.
// In: where the content is and how many hosts. Out: seconds from the order until the last host has all.
// Each prepares its daemons before the clock starts, and takes them down afterwards.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { addressOf, LabFleet, startOn } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'

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
  prepare(field: Field): Promise<Prepared>
}

export interface Prepared {
  /** Carries the content as it is now to every host; resolves when the last one has it. */
  run(): Promise<void>
  /** Where host `n` (from 1) has its copy. */
  copyOf(host: number): string
  close(): Promise<void>
}

const hostsOf = (field: Field): readonly number[] => Array.from({ length: field.nodeCount }, (_, i) => i + 1)

const ours = (strategy: string): Contender => ({
  name: `engine ${strategy}`,
  scenarios: ['file', 'first', 'update'],
  prepare: async (field) => {
    const fleet = new LabFleet(field.directory)
    fleet.start(0)
    for (const host of hostsOf(field)) fleet.start(host)
    await fleet.nodesOnline(field.nodeCount)
    return {
      run: async () => {
        const outcome = await fleet.publish(field.content, '--strategy', strategy, '--max-delete', '100%').exited
        if (outcome.code !== 0) throw new Error(`publish ended with ${outcome.code}: ${outcome.stderr}${fleet.story()}`)
      },
      copyOf: (host) => fleet.liveOf(host, 'www'),
      close: () => fleet.stopAll(),
    }
  },
})

/** Eight pushes at once into rsync daemons; `-z` compresses with the best both ends know. */
const rsync = (name: string, flags: readonly string[], scenarios: Contender['scenarios']): Contender => ({
  name,
  scenarios,
  prepare: async (field) => {
    const copyOf = (host: number): string => `${field.directory}/rsync-h${host}`
    const daemons = hostsOf(field).map((host) => {
      mkdirSync(copyOf(host), { recursive: true })
      const config = `${field.directory}/rsyncd-h${host}.conf`
      writeFileSync(
        config,
        `use chroot = no\nuid = 0\ngid = 0\nreverse lookup = no\n[d]\npath = ${copyOf(host)}\nread only = no\n`,
      )
      const address = `--address=${addressOf(host)}`
      return startOn(host, 'rsync', ['--daemon', '--no-detach', '--port=8730', address, `--config=${config}`])
    })
    await until('the rsync daemons answer', async () => {
      const lists = hostsOf(field).map((host) => startOn(0, 'rsync', [`rsync://${addressOf(host)}:8730/`]).exited)
      return (await Promise.all(lists)).every((list) => list.code === 0)
    })
    return {
      run: async () => {
        const pushes = hostsOf(field).map((host) => {
          const target = `rsync://${addressOf(host)}:8730/d/`
          return startOn(0, 'rsync', ['-a', '--delete', ...flags, `${field.content}/`, target]).exited
        })
        const failed = (await Promise.all(pushes)).find((push) => push.code !== 0)
        if (failed !== undefined) throw new Error(`rsync ended with ${failed.code}: ${failed.stderr}`)
      },
      copyOf,
      close: async () => {
        await Promise.all(daemons.map((daemon) => daemon.stop('SIGTERM')))
      },
    }
  },
})

const bareChain: Contender = {
  name: 'bare chain',
  scenarios: ['file'],
  prepare: async (field) => {
    const program = `${field.directory}/chain`
    execFileSync('cc', ['-O2', '-o', program, new URL('chain.c', import.meta.url).pathname])
    const copyOf = (host: number): string => `${field.directory}/chain-h${host}`
    const takers = hostsOf(field).map((host) => {
      mkdirSync(copyOf(host), { recursive: true })
      const next = host < field.nodeCount ? [addressOf(host + 1), '7600'] : []
      return startOn(host, program, ['take', '7600', `${copyOf(host)}/content.bin`, ...next])
    })
    await until('the chain listens', () => takers.every((taker) => taker.output.includes('listening')))
    return {
      run: async () => {
        const source = startOn(0, program, ['send', `${field.content}/content.bin`, addressOf(1), '7600'])
        const outcomes = await Promise.all([source.exited, ...takers.map((taker) => taker.exited)])
        const failed = outcomes.find((outcome) => outcome.code !== 0)
        if (failed !== undefined) throw new Error(`the chain ended with ${failed.code}: ${failed.stderr}`)
      },
      copyOf,
      close: async () => {
        await Promise.all(takers.map((taker) => taker.stop('SIGTERM')))
        rmSync(program)
      },
    }
  },
}

export const contenders: readonly Contender[] = [
  ours('braid'),
  bareChain,
  ours('chain'),
  ours('tree'),
  ours('star'),
  rsync('rsync', ['--whole-file'], ['file']),
  rsync('rsync -z', ['-z', '-c'], ['first', 'update']),
]
