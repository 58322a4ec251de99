import { NAMES_TOLD_MAX } from './limits.js'
import { EngineError } from './errors.js'
import { BITS_PER_BYTE, DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from './units.js'

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS }
const byteUnits: Readonly<Record<string, number>> = { '': 1, k: KIB, m: MIB, g: GIB, t: TIB }

function refuse(text: string, what: string, example: string): never {
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `${what} "${text}"`, why: `write it like ${example}` })
}

/**
 * Reads a duration such as `250ms`, `30s`, `1h30m`, `2d`; a bare number is seconds.
 * @returns whole milliseconds. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseDurationMs(text: string): number {
  const example = '250ms, 30s, 5m or 2h'
  const trimmed = text.trim().toLowerCase()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * SECOND_MS)
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) refuse(text, 'the duration', example)
  let totalMs = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * (durationUnits[unit ?? ''] ?? 0)
  }
  if (!Number.isSafeInteger(Math.round(totalMs))) refuse(text, 'the duration', example)
  return Math.round(totalMs)
}

/** Writes a duration for people, two units at most: `850 ms`, `4.2 s`, `3 m 10 s`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / SECOND_MS).toFixed(1)} s`
  const steps = [
    ['d', DAY_MS, 'h', HOUR_MS],
    ['h', HOUR_MS, 'm', MINUTE_MS],
    ['m', MINUTE_MS, 's', SECOND_MS],
  ] as const
  for (const [big, bigMs, small, smallMs] of steps) {
    const smalls = Math.round(ms / smallMs)
    const ratio = bigMs / smallMs
    if (smalls >= ratio) return `${Math.floor(smalls / ratio)} ${big} ${smalls % ratio} ${small}`
  }
  return `${Math.round(ms / SECOND_MS)} s`
}

/**
 * Reads an amount such as `4096`, `64K`, `20M`, `1.5GiB`; units are powers of 1024.
 * @returns whole bytes. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseBytes(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  const amount = Math.round(Number(found?.[1]) * (byteUnits[(found?.[2] ?? '').toLowerCase()] ?? Number.NaN))
  if (!Number.isSafeInteger(amount)) refuse(text, 'the size', '4096, 64K, 20M or 1.5G')
  return amount
}

/** Writes an amount for people, powers of 1024: `812 B`, `3.1 MB`, `48.2 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let amount = bytes
  let index = 0
  while (amount >= 1023.95 && index < units.length - 1) {
    amount /= 1024
    index += 1
  }
  return `${index === 0 ? String(Math.round(amount)) : amount.toFixed(1)} ${units[index]}`
}

/**
 * Reads a share such as `25%` or `0.25`.
 * @returns 0–1. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseRatio(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim())
  const ratio = Number(found?.[1]) / (found?.[2] === '%' ? 100 : 1)
  if (!(ratio >= 0 && ratio <= 1)) refuse(text, 'the share', '25% or 0.25')
  return ratio
}

/** Writes a number of things for people: `1 node`, `2 nodes`, and of some of them `1/2 nodes`. */
export function formatCount(count: number, noun: string, of?: number): string {
  const total = of ?? count
  return `${of === undefined ? '' : `${count}/`}${total} ${noun}${total === 1 ? '' : 's'}`
}

/** Writes a share for people: `25%`, `99.5%`. */
export function formatRatio(ratio: number): string {
  return `${Number((ratio * 100).toFixed(1))}%`
}

/**
 * Reads a rate: `20M` is bytes a second (powers of 1024), `20Mbit` is bits (powers of 1000).
 * @returns bits a second. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT.
 */
export function parseRateBps(text: string): number {
  const bits = /^(\d+(?:\.\d+)?)\s*([kmg]?)bit(?:\/s)?$/i.exec(text.trim())
  if (bits === null) return parseBytes(text.replace(/\/s$/i, '')) * BITS_PER_BYTE
  const power = ['', 'k', 'm', 'g'].indexOf((bits[2] ?? '').toLowerCase())
  return Math.round(Number(bits[1]) * 1000 ** power)
}

/** Writes a rate for people, as bytes a second: `96.0 MB/s`. */
export function formatRate(rateBps: number): string {
  return `${formatBytes(rateBps / BITS_PER_BYTE)}/s`
}

/** Names in one line: the first few, and how many more there are. */
export function formatNames(names: readonly string[]): string {
  const more = names.length > NAMES_TOLD_MAX ? ` and ${names.length - NAMES_TOLD_MAX} more` : ''
  return names.slice(0, NAMES_TOLD_MAX).join(', ') + more
}
