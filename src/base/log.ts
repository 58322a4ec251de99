import { Writable } from 'node:stream'
import { type DestinationStream, pino, type Logger as PinoLogger } from 'pino'
import { EngineError } from './errors.js'

/** Constant message, facts as fields: `log.info({ jobId, nodeCount }, 'job accepted')`. One child per room. */
export type Logger = PinoLogger

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]
export const logFormats = ['json', 'text'] as const
export type LogFormat = (typeof logFormats)[number]

export interface LogOptions {
  readonly level: LogLevel
  /** `json` is one object a line; `text` is for people. */
  readonly format: LogFormat
  /** A file descriptor (1 stdout, 2 stderr) or where lines go. */
  readonly destination: 1 | 2 | Writable
}

/** Fields whose values never reach a log, at the top and one level below. */
const secrets = ['authorization', 'cookie', 'token', 'ticket', 'password', 'seed', 'signingKey', 'privateKey']
const redactPaths = [...secrets, ...secrets.map((name) => `*.${name}`), ...secrets.map((name) => `*.*.${name}`)]

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message, stack } = error
  const cause = error.cause === undefined ? {} : { cause: serializeError(error.cause) }
  if (error instanceof EngineError) {
    const ours = error.code === 'ENGINE_ERR_INTERNAL' ? { stack } : {}
    return { code: error.code, message, hint: error.hint, ...ours, ...cause }
  }
  return { name: error.name, message, stack, ...cause }
}

interface LineFields {
  readonly time: string
  readonly level: string
  readonly room?: string
  readonly msg?: string
  readonly [fact: string]: unknown
}

/** One log line for people: time, level, room, message, then the facts. */
export function formatLine(json: string): string {
  const { time, level, room, msg, ...facts } = JSON.parse(json) as LineFields
  const rest = Object.entries(facts).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const where = room === undefined ? '' : `[${room}] `
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${where}${msg ?? ''}${rest.join('')}\n`
}

function textTo(target: DestinationStream): DestinationStream {
  return { write: (line) => target.write(formatLine(line)) }
}

/** Opens a log. Lines are written before the call returns, so none is lost when the process dies. */
export function createLogger(options: LogOptions): Logger {
  const { destination } = options
  const raw = typeof destination === 'number' ? pino.destination({ fd: destination, sync: true }) : destination
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      redact: { paths: redactPaths, censor: '[redacted]' },
    },
    options.format === 'text' ? textTo(raw) : raw,
  )
}

/** A log that says nothing, for embedding and tests. */
export const silentLogger: Logger = pino(
  { level: 'silent' },
  new Writable({ write: (_chunk, _encoding, done) => done() }),
)
