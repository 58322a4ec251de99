// Whole trees, compared byte for byte.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A line for each entry below `directory`: path, kind, mode, and for files time and digest. */
export function linesOf(directory: string): readonly string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()
  return names.map((name) => {
    const path = `${directory}/${name}`
    const about = lstatSync(path, { bigint: true })
    const mode = (about.mode & 0o7777n).toString(8)
    if (about.isSymbolicLink()) return `${name} link ${readlinkSync(path)}`
    if (about.isDirectory()) return `${name} directory ${mode}`
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
    return `${name} file ${mode} ${about.size} ${about.mtimeNs} ${digest}`
  })
}

/** Digest of all that. */
export const fingerprint = (directory: string): string =>
  createHash('sha256').update(linesOf(directory).join('\n')).digest('hex')

/** Follows what readers see under a link, over and over: whatever is no whole version, and every step back. */
export class LiveReader {
  readonly faults: string[] = []
  readonly #live: string
  readonly #versions: readonly string[]
  readonly #timer: NodeJS.Timeout
  /** Index of the version that was seen last; -1: none yet. */
  seen = -1

  /** @param versions fingerprints, the oldest first. */
  constructor(live: string, versions: readonly string[]) {
    this.#live = live
    this.#versions = versions
    this.#timer = setInterval(() => this.look(), 4)
  }

  look(): void {
    const now = this.#read()
    if (now < this.seen) this.faults.push(`readers saw version ${this.seen}, then ${now === -1 ? 'none' : now}`)
    this.seen = Math.max(now, this.seen)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.look()
  }

  #read(): number {
    let target: string
    try {
      target = readlinkSync(this.#live)
    } catch {
      return -1
    }
    const release = join(dirname(this.#live), target)
    const version = this.#versions.indexOf(fingerprint(release))
    if (version === -1) this.faults.push(`${target} is no whole version: ${linesOf(release).join('; ')}`)
    return version === -1 ? this.seen : version
  }
}
