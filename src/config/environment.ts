import { hostname } from 'node:os'

export type Environment = Readonly<Record<string, string | undefined>>

/** The process's environment; the only place that reads it. */
export const processEnvironment: Environment = process.env

/** What the environment says of the terminal and of the coordinator to ask. */
export interface TerminalSettings {
  /** False: no colours, true: always; undefined: as the terminal can. */
  readonly color: boolean | undefined
  /** False where nobody watches (CI). */
  readonly animate: boolean
  /** True when the terminal cannot be redrawn. */
  readonly dumb: boolean
  /** Null: a configuration file may say it. */
  readonly url: string | null
}

const isSet = (value: string | undefined): boolean =>
  value !== undefined && value !== '' && value !== '0' && value !== 'false'

/** Reads NO_COLOR, FORCE_COLOR, TERM, CI and ENGINE_URL. */
export function terminalSettings(environment: Environment = processEnvironment): TerminalSettings {
  const dumb = environment['TERM'] === 'dumb'
  const noColor = (environment['NO_COLOR'] ?? '') !== ''
  const color = noColor || dumb ? false : isSet(environment['FORCE_COLOR']) ? true : undefined
  const url = environment['ENGINE_URL']
  return {
    color,
    animate: !isSet(environment['CI']),
    dumb,
    url: url === undefined || url === '' ? null : url,
  }
}

/** What a program needs to find others, its user, its language and its time; no secret is among them. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const
const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What hooks get of this process's environment: never all of it. */
export function hookEnvironment(environment: Environment = processEnvironment): Readonly<Record<string, string>> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { PATH: PATH_DEFAULT, ...Object.fromEntries(passed) }
}

/** What defaults depend on the machine and the user. */
export interface Surroundings {
  readonly environment: Environment
  readonly workingDirectory: string
  readonly isRoot: boolean
  readonly hostName: string
  /** Where the machine's own configuration is. */
  readonly systemDirectory: string
  /** True when the log goes to a terminal. */
  readonly onTerminal: boolean
}

/** This process's surroundings. */
export function surroundings(): Surroundings {
  return {
    environment: processEnvironment,
    workingDirectory: process.cwd(),
    isRoot: process.getuid?.() === 0,
    hostName: hostname(),
    systemDirectory: '/etc/engine',
    onTerminal: process.stderr.isTTY === true,
  }
}

/** The user's directory for `name` (XDG), without `engine` at its end. */
export function xdgDirectory(environment: Environment, name: 'config' | 'state'): string {
  const given = environment[name === 'config' ? 'XDG_CONFIG_HOME' : 'XDG_STATE_HOME']
  if (given?.startsWith('/')) return given
  return `${environment['HOME'] ?? ''}${name === 'config' ? '/.config' : '/.local/state'}`
}
