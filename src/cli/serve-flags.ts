import { EngineError } from '../base/errors.js'
import type { LoadOptions } from '../config/load.js'
import type { PeerAddress } from '../model/node.js'

/** Flags of `engine serve` as commander gives them. */
export interface ServeFlags {
  readonly config?: string
  readonly role?: 'coordinator' | 'node' | 'both'
  readonly data?: string
  readonly listen?: string
  readonly relay?: string
  readonly join?: string
  readonly name?: string
  readonly group?: readonly string[]
  readonly segment?: string
  readonly bwlimit?: string
  readonly insecure?: boolean
  readonly logLevel?: string
  readonly logFormat?: string
}

/** Reads `host:port`; no host is every address of this machine. */
export const readAddress = (flag: string, text: string): PeerAddress => {
  const found = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const [host, port] = [found?.[1] ?? found?.[2], Number(found?.[3])]
  if (host !== undefined && port <= 65_535) return { host: host === '' ? '0.0.0.0' : host, port }
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', {
    what: `${flag} "${text}"`,
    why: 'write it like 10.0.0.1:7400',
  })
}

const address = (flag: string, text: string | undefined): PeerAddress | undefined =>
  text === undefined ? undefined : readAddress(flag, text)

/** Leaves out what no flag said, so that files and the environment may say it. */
const said = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values)
      .map(([name, value]): [string, unknown] => [name, isPlain(value) ? said(value) : value])
      .filter(([, value]) => value !== undefined && !(isPlain(value) && Object.keys(value).length === 0)),
  )

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What the flags of `engine serve` say, in the words of the configuration. */
export function serveFlags(flags: ServeFlags): LoadOptions {
  const relay = address('--relay', flags.relay)
  // In one process with a coordinator the node's relay takes any port: both cannot have the one that was named.
  const nodeRelay = flags.role === 'both' && relay !== undefined ? { ...relay, port: 0 } : relay
  const { bwlimit } = flags
  const values = said({
    role: flags.role,
    dataDir: flags.data,
    insecure: flags.insecure,
    log: { level: flags.logLevel, format: flags.logFormat },
    coordinator: { listen: address('--listen', flags.listen), data: relay, segment: flags.segment, bwlimit },
    node: { join: flags.join, name: flags.name, groups: flags.group, segment: flags.segment, data: nodeRelay, bwlimit },
  })
  return { file: flags.config, flags: values }
}
