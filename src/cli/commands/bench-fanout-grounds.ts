// Where the processes of `engine bench fanout` run, and what holds their links to a rate: loopback with the relays' own
// limits, or the network namespaces of test/lab/lab.py, whose links have rates of their own.
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EngineError } from '../../base/errors.js'
import { SLOWED_RATIO, type FanoutCase } from '../../bench/fanout.js'
import { processEnvironment } from '../../config/environment.js'
import type { JobsApi } from '../../control/door/api.js'
import { formatLimit } from '../../model/bandwidth.js'
import type { Context } from '../context.js'
import { type LocalFleetOptions, nameOf } from '../local-fleet.js'
import { engineMain } from '../serve-process.js'
import { invalid } from './flag.js'

export interface Grounds {
  readonly name: 'loopback' | 'lab'
  /** Relays hold themselves to the rate; else links do. */
  readonly hasPacer: boolean
  /** How the fleet of a case is started. */
  fleetOf(what: FanoutCase): Omit<LocalFleetOptions, 'directory' | 'nodeCount'>
  /** Gives links the rates of a case, where they have some. */
  prepare(what: FanoutCase): Promise<void>
  /** Leaves a node a part of the rate at which it sends. */
  slow(api: JobsApi, host: number, what: FanoutCase): Promise<void>
}

const segmentOf = (): string => 'here'
const slowedBps = ({ rateBps }: FanoutCase): number => Math.round(rateBps * SLOWED_RATIO)

/** Without any right: each process holds itself to its rate, and sends by loopback. */
export const loopback: Grounds = {
  name: 'loopback',
  hasPacer: true,
  fleetOf: ({ rateBps }) => ({ listen: '127.0.0.1:0', segmentOf, flags: ['--bwlimit', formatLimit(rateBps)] }),
  prepare: async () => {},
  slow: async (api, host, what) => void (await api.setLimit(nameOf(host), formatLimit(slowedBps(what)))),
}

const labScript = fileURLToPath(new URL('../../../../test/lab/lab.py', import.meta.url))
const spaceOf = (lab: string, host: number): string => `${lab}-s0h${host}`
const addressOf = (host: number): string => `10.77.0.${host + 1}`
const labRate = (bps: number): string => `${bps / 1000}kbit`

async function labDo(lab: string, ...args: readonly string[]): Promise<void> {
  const env = { ...processEnvironment, LAB: lab }
  await promisify(execFile)('python3', [labScript, ...args], { env }).catch((error: Error & { stderr?: string }) => {
    const why = error.stderr?.trim() ?? error.message
    throw new EngineError('ENGINE_ERR_IO', { what: 'the lab', why }, { cause: error })
  })
}

/** Within a lab that is up, on its first host: others are reached by their namespaces. */
export const labGrounds = (lab: string): Grounds => ({
  name: 'lab',
  hasPacer: false,
  fleetOf: () => ({
    listen: `${addressOf(0)}:7400`,
    relayOf: (host) => `${addressOf(host)}:7500`,
    segmentOf,
    flags: ['--insecure'],
    // This process is on the first host already.
    underOf: (host) => (host === 0 ? [] : ['ip', 'netns', 'exec', spaceOf(lab, host)]),
  }),
  prepare: async ({ nodeCount, rateBps }) => {
    for (let host = 0; host <= nodeCount; host++) await labDo(lab, 'set', `s0h${host}`, '--rate', labRate(rateBps))
  },
  slow: (_, host, what) => labDo(lab, 'set', `s0h${host}`, '--up', labRate(slowedBps(what))),
})

/**
 * Makes a lab and runs the same command on its first host, where the coordinator is to be; the lab is gone afterwards.
 * @param hosts how many. @param args of the command. @returns its exit code.
 */
export async function inLab({ interrupts }: Context, hosts: number, args: readonly string[]): Promise<number> {
  if (!existsSync(labScript)) {
    throw invalid('--lab', 'the lab is in a checkout of the repository (test/lab/lab.py), not in an installed package')
  }
  if (process.getuid?.() !== 0) throw invalid('--lab', 'only root may make network namespaces')
  const lab = `bench${process.pid}`
  let end = (): void => {}
  // A signal from a terminal reaches the inner command, too; it ends in order, and then this one.
  const letGo = interrupts.listen(
    () => end(),
    () => end(),
  )
  try {
    await labDo(lab, 'up', '--hosts', String(hosts))
    return await new Promise((resolve, reject) => {
      const own = [...process.execArgv, engineMain, ...args, '--in-lab', lab]
      const inner = spawn('ip', ['netns', 'exec', spaceOf(lab, 0), process.execPath, ...own], { stdio: 'inherit' })
      end = () => void inner.kill('SIGTERM')
      inner.once('error', reject)
      inner.once('close', (code) => resolve(code ?? 1))
    })
  } finally {
    letGo()
    await labDo(lab, 'down')
  }
}
