import { EngineError, toEngineError } from '../base/errors.js'
import { MESSAGE_CHARS_MAX } from '../base/limits.js'
import type { Logger } from '../base/log.js'
import type { Commit, Report } from '../control/schema/channel.js'
import type { ReleaseRef } from '../model/node.js'
import { joinOutputs } from './hook-output.js'
import type { HookCase, HookOutcome, Hooks } from './hooks.js'
import type { Ledger } from './ledger.js'
import type { NodePaths } from './paths.js'
import type { Releases } from './releases.js'
import { type Answered, failureOf, type Outcome, type Reports } from './reports.js'
import type { Stagings } from './stagings.js'
import { type HooksDue, illnessOf, isHeld, isLive, type JournalRecord, type Trouble } from './state.js'
import type { Turns } from './turns.js'

export interface CommitsOptions {
  readonly paths: NodePaths
  readonly ledger: Ledger
  readonly reports: Reports
  readonly releases: Releases
  readonly stagings: Stagings
  readonly turns: Turns
  readonly hooks: Hooks
  readonly log: Logger
  /** Points `live` at a release, durable when it settles. */
  readonly switchLive: (siteDirectory: string, release: number) => Promise<void>
  readonly onHoldings: () => void
}

const done: Outcome = { kind: 'completion', bytesFetched: 0, output: null, error: null }

function answered({ commandId, jobId, number, command, site, release, treeHash }: Switched): Answered {
  return { commandId, jobId, number, command, site, release, treeHash }
}

/** The order that a switch was made for, whose hooks are still to run. */
type Switched = HooksDue & { readonly site: string }

function caseOf({ site, release, treeHash, jobId, command }: Switched): HookCase {
  return { site, release: { release, treeHash }, jobId, command }
}

/** What the journal says of a switch. */
function liveOf({ site, release, treeHash, revision }: Commit): JournalRecord {
  return { type: 'live', site, release, treeHash, ...(revision === undefined ? {} : { revision }) }
}

/** What a hook that failed has written. */
function outputOf({ details: { output } }: EngineError): string | null {
  return typeof output === 'string' && output !== '' ? output : null
}

/** What is to be told of what is live, after hooks of the switch. */
function complaintOf({ failed, error }: HookOutcome): Trouble | null {
  if (failed === null || error === null) return null
  return { hook: failed, message: error.message.slice(0, MESSAGE_CHARS_MAX) }
}

function troubleOf(ledger: Ledger, site: string): Trouble | null {
  return ledger.state.hooks.get(site)?.trouble ?? null
}

/** Makes held releases live. */
export class Commits {
  readonly #options: CommitsOptions
  /** By site: the newest command. */
  readonly #newest = new Map<string, Commit>()
  /** Those being carried out, their hooks included. */
  readonly #underWay = new Set<Commit>()

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
    return this.#inTurn(command)
  }

  /** Switches that are being carried out, with the hooks before and after them. */
  get underWay(): ReadonlySet<Commit> {
    return this.#underWay
  }

  #inTurn(command: Commit): Promise<void> {
    return this.#options.turns.run(command.site, async () => {
      this.#underWay.add(command)
      await this.#commit(command).finally(() => this.#underWay.delete(command))
    })
  }

  /** Goes on with a command that waited for its release, unless the site was told to switch to another one since. */
  async resume(command: Commit): Promise<void> {
    const { site, release } = command
    const newest = this.#newest.get(site) ?? command
    if (newest.release === release) return this.#inTurn(command)
    const what = `the switch to ${site}@${release}, overtaken by an order for release ${newest.release},`
    await this.#fail(command, command, new EngineError('ENGINE_ERR_CANCELLED', { what }))
  }

  async #commit(command: Commit): Promise<void> {
    const { ledger, releases, reports, stagings } = this.#options
    const { site } = command
    const ref = { release: command.release, treeHash: command.treeHash }
    const report = (outcome: Outcome): Report => reports.make(answered(command), outcome)
    const illness = illnessOf(ledger.state, site, ref)
    if (isLive(ledger.state, site, ref) && releases.linked(site) === ref.release && illness?.health !== 'damaged') {
      await reports.tell([], [report(done)])
      return
    }
    const staging = stagings.find(site, ref)
    if (staging !== undefined && !isHeld(ledger.state, site, ref)) {
      staging.commits.push(command)
      return
    }
    let output: string | null
    try {
      output = await this.#switch(command, ref)
      await reports.tell([liveOf(command)], [report({ ...done, output })])
    } catch (error) {
      await this.#fail(command, ref, toEngineError(error))
      return
    }
    this.#options.log.info({ site, release: ref.release, jobId: command.jobId }, 'live')
    this.#options.onHoldings()
    await this.#follow(command, output)
    await this.#tidy(site, ref.release)
  }

  /** @returns what hooks before it have written. */
  async #switch(command: Commit, ref: ReleaseRef): Promise<string | null> {
    const { hooks, ledger, paths, releases, switchLive } = this.#options
    const { site, commandId, jobId, number } = command
    const { release } = ref
    const isIll = illnessOf(ledger.state, site, ref) !== null
    if (isIll || (!isHeld(ledger.state, site, ref) && !(await releases.stands(site, ref)))) {
      throw new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site, release })
    }
    const { output, error } = await hooks.before(caseOf(command))
    if (error !== null) throw error
    if (hooks.on('after-commit', site).length > 0) {
      // Before the switch: a crash right after it must not lose what is to follow it.
      await ledger.record({ type: 'hooks-due', site, ...ref, commandId, jobId, number, command: command.command })
    }
    await switchLive(paths.site(site), release)
    return output === '' ? null : output
  }

  /** Goes on with hooks that were to follow a switch when the node stopped; a switch that never came has none. */
  async resumeHooks(): Promise<void> {
    const { ledger, turns } = this.#options
    for (const [site, { due }] of ledger.state.hooks) {
      if (due === null) continue
      const switched = { site, ...due }
      await turns.run(site, async () => {
        if (isLive(ledger.state, site, due)) await this.#follow(switched, null)
        else await ledger.record({ type: 'hooks-done', site, release: due.release, trouble: troubleOf(ledger, site) })
      })
    }
  }

  /**
   * Runs the hooks that follow a switch. It stands whatever becomes of them: what they complain of is told with a
   * second completion, and shown with the node until they end well or another release is live.
   * @param before  what hooks before the switch have written.
   */
  async #follow(switched: Switched, before: string | null): Promise<void> {
    const { hooks, ledger, reports, log, onHoldings } = this.#options
    const { site, release } = switched
    if (ledger.state.hooks.get(site)?.due?.release !== release) return
    try {
      const after = await hooks.after(caseOf(switched))
      const { output, error } = after
      const trouble = complaintOf(after)
      const outcome = { ...done, output: joinOutputs([before ?? '', output]), error: error?.toReport() ?? null }
      const isTold = error !== null || output !== ''
      const told = isTold ? [reports.make(answered(switched), outcome)] : []
      await reports.tell([{ type: 'hooks-done', site, release, trouble }], told)
      if (error !== null) log.warn({ err: error, site, release }, 'live, but a hook after the switch failed')
      onHoldings()
    } catch (error) {
      // What is due stays in the journal, and the next start sees to it.
      log.warn({ err: toEngineError(error), site, release }, 'hooks after a switch have not all been run')
    }
  }

  async #fail(command: Commit, ref: ReleaseRef, error: EngineError): Promise<void> {
    const { ledger, reports, log, onHoldings } = this.#options
    const { site } = command
    // Cut off because the node stops: nothing was switched, and the next connection asks again.
    if (error.code === 'ENGINE_ERR_CLOSING') return
    log.warn({ err: error, site, release: ref.release }, 'not switched')
    const gone = error.code === 'ENGINE_ERR_RELEASE_UNKNOWN' && isHeld(ledger.state, site, ref)
    const facts: JournalRecord[] = gone ? [{ type: 'dropped', site, release: ref.release }] : []
    const outcome = { ...failureOf(error), output: outputOf(error) }
    await reports.tellFailure(facts, [reports.make(answered(command), outcome)])
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
