import { z } from 'zod'
import type { Logger } from '../../base/log.js'
import { WORD_SITES_MAX, WORDS_KEPT_PER_SITE } from '../../base/word-limits.js'
import { word as wordSchema } from '../../control/schema/word.js'
import type { SignedWord } from '../../model/word.js'
import type { WordFiles } from './files.js'

/** A word that this node keeps. */
export interface KeptWord {
  readonly word: SignedWord
  /**
   * Its commands are not for this node to begin: the coordinator itself has spoken since, and owes it what it has
   * missed of them.
   */
  readonly closed: boolean
}

const shelf = z.array(z.object({ word: wordSchema, closed: z.boolean() })).max(WORDS_KEPT_PER_SITE)

/** The newest words of each site, each the newest of its job, in a file a site. */
export class Shelf {
  readonly #files: WordFiles
  readonly #isTrusted: (word: SignedWord) => boolean
  readonly #log: Logger
  /** By site, oldest first. */
  readonly #kept = new Map<string, readonly KeptWord[]>()
  readonly #unwritten = new Set<string>()
  #writing: Promise<unknown> = Promise.resolve()

  /** @param isTrusted  whether the coordinator has said exactly this: disks change bytes, too. */
  constructor(files: WordFiles, isTrusted: (word: SignedWord) => boolean, log: Logger) {
    this.#files = files
    this.#isTrusted = isTrusted
    this.#log = log
  }

  /** Reads what an earlier life kept. What cannot be read stays where it is and counts for nothing. */
  async open(): Promise<void> {
    for (const [site, text] of await this.#files.readAll()) {
      const read = shelf.safeParse(parsed(text))
      const isWhole = read.success && read.data.every(({ word }) => word.site === site && this.#isTrusted(word))
      if (isWhole) this.#kept.set(site, read.data)
      else this.#log.warn({ site }, 'words of a site cannot be read')
    }
  }

  get sites(): readonly string[] {
    return [...this.#kept.keys()]
  }

  /** Oldest first. */
  of(site: string): readonly KeptWord[] {
    return this.#kept.get(site) ?? []
  }

  /** The highest revision of a site that it has a word of; 0: none. */
  revisionOf(site: string): number {
    return this.of(site).at(-1)?.word.revision ?? 0
  }

  /** Whether something is not durable yet. */
  get hasUnwritten(): boolean {
    return this.#unwritten.size > 0
  }

  /** Whether it may keep words of this site. */
  hasRoom(site: string): boolean {
    return this.#kept.has(site) || this.#kept.size < WORD_SITES_MAX
  }

  /**
   * Keeps a word that is newer than all of its site. Durable when it settles, but for one of the coordinator itself,
   * whose orders need none: that is written with the next `flush`.
   * @param isDirect the coordinator gave it: what came before is closed.
   * @throws {EngineError} ENGINE_ERR_IO, ENGINE_ERR_NO_SPACE.
   */
  async put(word: SignedWord, isDirect: boolean): Promise<void> {
    const { site, jobId } = word
    const others = this.of(site).filter((kept) => kept.word.jobId !== jobId)
    const before = isDirect ? others.map((kept) => ({ ...kept, closed: true })) : others
    const kept = [...before, { word, closed: false }].slice(-WORDS_KEPT_PER_SITE)
    this.#kept.set(site, kept)
    this.#unwritten.add(site)
    if (!isDirect) await this.flush()
  }

  /** Makes durable what is not. @throws {EngineError} as `put`; what could not be written is tried again. */
  async flush(): Promise<void> {
    const written = this.#writing.then(async () => {
      for (const site of [...this.#unwritten]) {
        this.#unwritten.delete(site)
        await this.#files.write(site, JSON.stringify(this.of(site))).catch((error: unknown) => {
          this.#unwritten.add(site)
          throw error
        })
      }
    })
    this.#writing = written.catch(() => {})
    await written
  }

  /** Writes what is left, if it can. */
  async close(): Promise<void> {
    await this.flush().catch((error: unknown) => this.#log.warn({ err: error }, 'words could not be kept'))
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
