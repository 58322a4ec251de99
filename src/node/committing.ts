import { EngineError, toEngineError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import type { Commit, Report } from '../control/schema/channel.js'
import type { ReleaseRef } from '../model/node.js'
import type { Ledger } from './ledger.js'
import type { NodePaths } from './paths.js'
import type { Releases } from './releases.js'
import { type Answered, failureOf, type Outcome, type Reports } from './reports.js'
import type { Stagings } from './stagings.js'
import { isHeld, isLive, type JournalRecord } from './state.js'
import type { Turns } from './turns.js'

export interface CommitsOptions {
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly reports: Reports
  readonly releases: Releases
  readonly stagings: Stagings
  readonly turns: Turns
  readonly log: Logger
  /** Points `live` at a release, durable when it settles. */
  readonly switchLive: (siteDirectory: string, release: number) => Promise<void>
  readonly onHoldings: () => void
}

const done: Outcome = { kind: 'completion', bytesFetched: 0, output: null, error: null }

function answered({ commandId, jobId, number, command, site, release, treeHash }: Commit): Answered {
  return { commandId, jobId, number, command, site, release, treeHash }
}

/** Makes held releases live. */
export class Commits {
  readonly #options: CommitsOptions
  /** By site: the newest command. */
  readonly #newest = new Map<string, Commit>()

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /**
   * Switches a site to a release: the link first, durable; then the journal; then the report. What is
   * live already is only reported. A release that is still being staged is switched to when it stands;
   * one that is not held is answered with ENGINE_ERR_RELEASE_UNKNOWN, so that it is sent again.
   */
  commit(command: Commit): Promise<void> {
    this.#newest.set(command.site, command)
    return this.#options.turns.run(command.site, () => this.#commit(command))
  }

  /** Goes on with a command that waited for its release, unless the site was told to switch to another one since. */
  async resume(command: Commit): Promise<void> {
    const { site, release } = command
    const newest = this.#newest.get(site) ?? command
    if (newest.release === release) return this.#options.turns.run(site, () => this.#commit(command))
    const what = `the switch to ${site}@${release}, overtaken by an order for release ${newest.release},`
    await this.#fail(command, command, new EngineError('ENGINE_ERR_CANCELLED', { what }))
  }

  async #commit(command: Commit): Promise<void> {
    const { ledger, releases, reports, stagings } = this.#options
    const { site } = command
    const ref = { release: command.release, treeHash: command.treeHash }
    const report = (outcome: Outcome): Report => reports.make(answered(command), outcome)
    if (isLive(ledger.state, site, ref) && releases.linked(site) === ref.release) {
      await reports.tell([], [report(done)])
      return
    }
    const staging = stagings.find(site, ref)
    if (staging !== undefined && !isHeld(ledger.state, site, ref)) {
      staging.commits.push(command)
      return
    }
    try {
      await this.#switch(site, ref)
      await reports.tell([{ type: 'live', site, ...ref }], [report(done)])
    } catch (error) {
      await this.#fail(command, ref, toEngineError(error))
      return
    }
    this.#options.log.info({ site, release: ref.release, jobId: command.jobId }, 'live')
    this.#options.onHoldings()
    await this.#tidy(site, ref.release)
  }

  async #switch(site: string, ref: ReleaseRef): Promise<void> {
    const { ledger, paths, releases, switchLive } = this.#options
    const { release } = ref
    if (!isHeld(ledger.state, site, ref) && !(await releases.stands(site, ref))) {
      throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release })
    }
    await switchLive(paths.site(site), release)
  }

  async #fail(command: Commit, ref: ReleaseRef, error: EngineError): Promise<void> {
    const { ledger, reports, log, onHoldings } = this.#options
    const { site } = command
    log.warn({ err: error, site, release: ref.release }, 'not switched')
    const gone = error.code === 'ENGINE_ERR_RELEASE_UNKNOWN' && isHeld(ledger.state, site, ref)
    const facts: JournalRecord[] = gone ? [{ type: 'dropped', site, release: ref.release }] : []
    await reports.tellFailure(facts, [reports.make(answered(command), failureOf(error))])
    if (gone) onHoldings()
  }

  /** Old releases and streams go; a disk that refuses costs space, not the commit. */
  async #tidy(site: string, release: number): Promise<void> {
    const { releases, stagings, log, ledger, onHoldings } = this.#options
    const before = ledger.state.sites.get(site)?.held.size
    try {
      await stagings.overtaken(site, release)
      await releases.prune(site, stagings.inUse(site))
    } catch (error) {
      log.warn({ err: toEngineError(error), site }, 'old releases cannot be removed')
    }
    if (ledger.state.sites.get(site)?.held.size !== before) onHoldings()
  }
}
