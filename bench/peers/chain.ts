import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { addressOf, startOn } from '../../test/support/lab.js'
import { until } from '../../test/support/until.js'
import type { Arrivals, Contender } from '../system/contenders.js'
import { endings, lacksProgram, onEach, stopEach, wellDone } from './hosts.js'

/** The yardstick: each host passes on what it gets, and checks nothing. */
export const bareChain: Contender = {
  name: 'bare chain',
  scenarios: ['file'],
  lacks: () => lacksProgram('a C compiler', 'cc', ['--version']),
  prepare: async (field) => {
    const program = `${field.directory}/chain`
    execFileSync('cc', ['-O2', '-o', program, new URL('chain.c', import.meta.url).pathname])
    const copyOf = (host: number): string => `${field.directory}/chain-h${host}`
    const takers = onEach(field, (host) => {
      mkdirSync(copyOf(host), { recursive: true })
      const next = host < field.nodeCount ? [addressOf(host + 1), '7600'] : []
      return [program, ['take', '7600', `${copyOf(host)}/content.bin`, ...next]]
    })
    await until('the chain listens', () => [...takers.values()].every((taker) => taker.output.includes('listening')))
    let arrivals: Arrivals = new Map()
    return {
      run: async () => {
        const source = startOn(0, program, ['send', `${field.content}/content.bin`, addressOf(1), '7600'])
        arrivals = await endings('the chain', takers)
        wellDone('the source of the chain', await source.exited)
      },
      arrivals: async () => arrivals,
      copyOf,
      close: async () => {
        await stopEach(takers.values())
        rmSync(program)
      },
    }
  },
}
