import { SESSION_LINGER_MS } from '../base/limits.js'
import type { SessionStatus } from '../native/relay.js'

/** A finished session that still serves others. */
interface Served {
  readonly assignmentId: string
  readonly site: string
  readonly release: number
  bytesSent: number
  idleSinceMs: number
}

export interface LingeringOptions {
  readonly closeSession: (session: number) => void
  /** Removes the files of an assignment. */
  readonly forget: (assignmentId: string) => Promise<void>
}

/** Sessions that go on serving when their release stands, until nobody fetches from them any more. */
export class Lingering {
  readonly #options: LingeringOptions
  readonly #bySession = new Map<number, Served>()

  constructor(options: LingeringOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#bySession.size
  }

  add(session: number, of: Pick<Served, 'assignmentId' | 'site' | 'release'>, nowMs: number): void {
    this.#bySession.set(session, { ...of, bytesSent: 0, idleSinceMs: nowMs })
  }

  /** The session that serves an assignment; null when none does. */
  sessionOf(assignmentId: string): number | null {
    return [...this.#bySession].find(([, each]) => each.assignmentId === assignmentId)?.[0] ?? null
  }

  /** Closes the session of an assignment and leaves its files: they are to be fetched into again. */
  close(assignmentId: string): void {
    const session = this.sessionOf(assignmentId)
    if (session === null) return
    this.#bySession.delete(session)
    this.#options.closeSession(session)
  }

  /** Ends a session and removes what it served from. */
  async end(session: number): Promise<void> {
    const each = this.#bySession.get(session)
    if (each === undefined) return
    this.#bySession.delete(session)
    this.#options.closeSession(session)
    await this.#options.forget(each.assignmentId)
  }

  /** Ends the sessions of a site that serve older releases than this one. */
  async endOlder(site: string, release: number): Promise<void> {
    for (const [session, each] of this.#bySession) {
      if (each.site === site && each.release < release) await this.end(session)
    }
  }

  /**
   * Takes in how the sessions stand; gives those that nobody has fetched from for long enough. A child that is
   * connected and takes nothing is no reason to stay.
   */
  idle(statuses: ReadonlyMap<number, SessionStatus>, nowMs: number): readonly number[] {
    for (const [session, each] of this.#bySession) {
      const bytesSent = statuses.get(session)?.bytesSent ?? each.bytesSent
      if (bytesSent !== each.bytesSent) each.idleSinceMs = nowMs
      each.bytesSent = bytesSent
    }
    return [...this.#bySession]
      .filter(([, { idleSinceMs }]) => nowMs - idleSinceMs > SESSION_LINGER_MS)
      .map(([session]) => session)
  }
}
