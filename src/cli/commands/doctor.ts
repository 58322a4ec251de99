import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { readFile } from 'node:fs/promises'
import { toEngineError } from '../../base/errors.js'
import { formatBytes } from '../../base/quantities.js'
import { MIB } from '../../base/units.js'
import { probeDatagrams } from '../../native/datagrams.js'
import { probeStorage } from '../../native/storage.js'
import type { Context } from '../context.js'
import { readAddress } from '../serve-flags.js'

type Verdict = 'ok' | 'warn' | 'fail'

/** One thing that was tried, what came of it, and what to do when it is not well. */
interface Finding {
  readonly check: string
  readonly verdict: Verdict
  readonly found: string
  readonly hint: string | null
}

export interface DoctorFlags {
  readonly data: string
  readonly listen: string
}

/** A group of the range for private use; datagrams with TTL 0 never leave the machine. */
const PROBE_GROUP = '239.255.74.0'

/** Receive buffers smaller than this lose bursts of multicast at 100,000 frames a second. */
const RECEIVE_BUFFER_BYTES_WANTED = 8 * MIB

const finding = (check: string, verdict: Verdict, found: string, hint: string | null = null): Finding => ({
  check,
  verdict,
  found,
  hint: verdict === 'ok' ? null : hint,
})

const MIN_FREE_BYTES = 1024 * MIB

async function storage(directory: string): Promise<Finding[]> {
  try {
    const probe = await probeStorage(directory)
    const where = `${directory} (${probe.fileSystem})`
    return [
      finding('data directory', probe.writable ? 'ok' : 'fail', where, 'let the engine’s user write it'),
      finding(
        'free space',
        probe.freeBytes >= MIN_FREE_BYTES ? 'ok' : 'warn',
        formatBytes(probe.freeBytes),
        'a release needs room beside the live one: free some, or choose another disk with --data',
      ),
      finding('openat2', probe.openat2 ? 'ok' : 'fail', probe.openat2 ? 'works' : 'missing', 'run Linux 5.6 or newer'),
      finding(
        'shared blocks',
        probe.reflink ? 'ok' : 'warn',
        probe.reflink ? 'reflink' : 'hard links',
        'releases share unchanged files by hard links: never edit one in place (btrfs and xfs have reflinks)',
      ),
    ]
  } catch (error) {
    const known = toEngineError(error, { path: directory })
    const hint = 'create it and let the engine’s user write it, or name another with --data'
    return [finding('data directory', 'fail', known.message, hint)]
  }
}

const portHints: Readonly<Record<string, string>> = {
  EADDRINUSE: 'stop what listens there, or choose another address with --listen',
  EADDRNOTAVAIL: 'this machine does not have that address: choose one of its own with --listen',
  EACCES: 'choose a port above 1023 with --listen',
}

function port(host: string, number: number): Promise<Finding> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const hint = portHints[error.code ?? ''] ?? 'choose another address with --listen'
      resolve(finding('port', 'warn', `${host}:${number} ${error.code ?? error.message}`, hint))
    })
    server.listen(number, host, () => server.close(() => resolve(finding('port', 'ok', `${host}:${number} is free`))))
  })
}

async function buffers(): Promise<Finding> {
  const text = await readFile('/proc/sys/net/core/rmem_max', 'utf8').catch(() => '0')
  const bytes = Number(text)
  const verdict = bytes >= RECEIVE_BUFFER_BYTES_WANTED ? 'ok' : 'warn'
  return finding('receive buffers', verdict, formatBytes(bytes), 'sysctl -w net.core.rmem_max=8388608')
}

async function datagrams(name: string, address: string): Promise<Finding[]> {
  const check = (what: string): string => `${what} on ${name}`
  try {
    const probe = await probeDatagrams(address, PROBE_GROUP, 0)
    const note = probe.notes.join('; ')
    const says = (works: boolean): string => (works ? 'works' : `does not work${note === '' ? '' : `: ${note}`}`)
    return [
      finding(check('multicast'), probe.multicast ? 'ok' : 'warn', says(probe.multicast), 'segments here use unicast'),
      finding(check('GSO'), probe.gso ? 'ok' : 'warn', says(probe.gso), 'datagrams are sent in batches instead'),
      finding(check('GRO'), probe.gro ? 'ok' : 'warn', says(probe.gro), 'datagrams are received one by one'),
    ]
  } catch (error) {
    const known = toEngineError(error)
    return ['multicast', 'GSO', 'GRO'].map((what) => finding(check(what), 'warn', known.message, known.hint))
  }
}

const addresses = (): [string, string][] =>
  Object.entries(networkInterfaces()).flatMap(([name, all]) =>
    (all ?? []).filter((one) => one.family === 'IPv4').map((one): [string, string] => [name, one.address]),
  )

/** `engine doctor`: tries what the engine needs of this machine. Exit 1 when something needed is missing. */
export async function doctor({ output }: Context, flags: DoctorFlags): Promise<number> {
  const address = readAddress('--listen', flags.listen)
  const findings = [
    finding('Node.js', 'ok', process.versions.node),
    ...(await storage(flags.data)),
    await port(address.host, address.port),
    await buffers(),
  ]
  for (const [name, address] of addresses()) findings.push(...(await datagrams(name, address)))
  const failed = findings.some((one) => one.verdict === 'fail')
  if (output.json) {
    output.data({ type: 'result', status: failed ? 'failed' : 'success', items: findings })
    return failed ? 1 : 0
  }
  const { green, yellow, red } = output.colors
  const marks = { ok: green('ok  '), warn: yellow('warn'), fail: red('FAIL') }
  for (const one of findings) {
    output.print(`${marks[one.verdict]}  ${one.check.padEnd(20)} ${one.found}`)
    if (one.hint !== null) output.print(`      ${' '.repeat(20)} ${one.hint}`)
  }
  return failed ? 1 : 0
}
