// Bugs that are planted to see that they are found: each changes one thing that the code does right.
import type { Random } from '../../src/base/random.js'
import { isFromNode, resigned } from './forgery.js'
import { LiveJob, patched } from '../../src/coordinator/live-job.js'
import { KnownNode } from '../../src/coordinator/roster.js'
import type { World } from '../../src/coordinator/world.js'
import type { Receipt } from '../../src/model/job.js'
import { Answers } from '../../src/store/answers.js'
import { Commands } from '../../src/store/commands.js'
import { Releases } from '../../src/store/releases.js'
import { Receipts } from '../../src/store/receipts.js'
import { Sites } from '../../src/store/sites.js'
import type { SimNode } from './node.js'

interface BugContext {
  readonly crashes: number
  readonly random: Random
}

export interface Bug {
  readonly what: string
  /** So many seeds find it: twice as many as it took, so that no change elsewhere hides it. */
  readonly within: number
  /** The first of them; 1 by default. A bug that mostly heals is looked for where it is known to show. */
  readonly from?: number
  /** Changes a coordinator's life before it begins. */
  readonly coordinator?: (world: World, context: BugContext) => void
  /** Changes what a node's next life finds. */
  readonly journal?: (records: string[]) => string[]
  /** Changes what comes from a node. */
  readonly fromNode?: (text: string, node: SimNode) => string
  /** A node's journal says that records are durable before they are. */
  readonly isJournalEarly?: boolean
  /** Changes classes; what it gives undoes that. */
  readonly install?: () => () => void
}

export const noBug: Bug = { what: 'none', within: 0 }

/** Puts another method in the place of one of a class; gives what undoes it. */
function replace<T extends object, K extends keyof T>(owner: T, name: K, make: (before: T[K]) => T[K]): () => void {
  const before = owner[name]
  owner[name] = make(before)
  return () => {
    owner[name] = before
  }
}

export const bugs: Readonly<Record<string, Bug>> = {
  'ack-before-record': {
    what: 'a report is acknowledged before it is recorded',
    within: 40,
    coordinator({ receiptBook, clock }) {
      const record = receiptBook.record.bind(receiptBook)
      receiptBook.record = async (receipt) => void clock.setTimer(50, () => void record(receipt).catch(() => {}))
    },
  },
  'forget-executed': {
    what: 'a node forgets over a restart which commands it has begun or carried out',
    within: 60,
    journal: (records) => records.filter((record) => !/^\{"type":"execut(?:ing|ed)"/.test(record)),
  },
  'early-journal': {
    what: 'a node reports what its journal does not hold yet',
    within: 60,
    isJournalEarly: true,
  },
  'drop-owed': {
    what: 'what a node missed while it was away is dropped',
    within: 20,
    install: () => replace(Commands.prototype, 'owedTo', () => async () => []),
  },
  'lose-deferred': {
    what: 'what became of a command is never written down',
    within: 20,
    install: () =>
      replace(
        LiveJob.prototype,
        'defer',
        () =>
          function (this: LiveJob, patch) {
            this.commands = patched(this.commands, [patch])
          },
      ),
  },
  'no-resteer': {
    what: 'what a node was told on a connection that broke is still waited for',
    within: 60,
    install: () =>
      replace(
        KnownNode.prototype,
        'lost',
        () =>
          function (this: KnownNode) {
            this.link = null
          },
      ),
  },
  'receipt-is-done': {
    what: 'a receipt counts as a completion',
    within: 20,
    fromNode: (text, node) => (isFromNode(text, 'receipt') ? resigned(text, node, { kind: 'completion' }) : text),
  },
  'any-release-is-live': {
    what: 'a node that serves any release counts as one that serves the target',
    within: 20,
    from: 14,
    coordinator({ sites, roster }) {
      const add = roster.add.bind(roster)
      roster.add = (known) => {
        add(known)
        const set = known.setHoldings.bind(known)
        known.setHoldings = (holdings) => {
          const target = sites.get(holdings.site)?.record.target ?? null
          set(holdings.live === null || target === null ? holdings : { ...holdings, live: target })
        }
      }
    },
  },
  'reuse-release-number': {
    what: 'a release number that a crash took back is given again',
    within: 40,
    from: 50,
    install: () =>
      replace(
        Sites.prototype,
        'nextRelease',
        (before) =>
          async function (this: Sites, site) {
            await before.call(this, site)
            return ((await this.require(site)).target?.release ?? 0) + 1
          },
      ),
  },
  'no-quorum': {
    what: 'a job is committed whatever share of its nodes is ready',
    within: 40,
    coordinator({ jobs }) {
      const set = jobs.set.bind(jobs)
      jobs.set = (id, job) => {
        let { record } = job
        const told = (): typeof record => ({ ...record, policy: { ...record.policy, quorum: 0 } })
        Object.defineProperty(job, 'record', {
          get: told,
          set(next: typeof record) {
            record = next
          },
        })
        return set(id, job)
      }
    },
  },
  'all-are-canaries': {
    what: 'every node goes first, not only those that were chosen',
    within: 40,
    coordinator({ jobs }) {
      const set = jobs.set.bind(jobs)
      jobs.set = (id, job) => {
        let { record } = job
        Object.defineProperty(job, 'record', {
          get(): typeof record {
            const { canary = null } = record
            const nodeIds = job.parts.map(({ nodeId }) => nodeId)
            return canary === null ? record : { ...record, canary: { ...canary, nodeIds } }
          },
          set(next: typeof record) {
            record = next
          },
        })
        return set(id, job)
      }
    },
  },
  'sick-is-well': {
    what: 'what a check of a canary finds is not looked at',
    within: 40,
    fromNode: (text, node) =>
      isFromNode(text, 'failure') && text.includes('ENGINE_ERR_HOOK_FAILED')
        ? resigned(text, node, { kind: 'completion', error: null })
        : text,
  },
  'forget-answers': {
    what: 'an idempotency key is not looked for',
    within: 20,
    install: () => {
      const undoGet = replace(Answers.prototype, 'get', () => async () => null)
      const undoPut = replace(Answers.prototype, 'put', () => async () => {})
      return () => {
        undoGet()
        undoPut()
      }
    },
  },
  'keep-vain': {
    what: 'a node that was away keeps what it staged for jobs that came to nothing',
    within: 40,
    install: () => replace(Releases.prototype, 'undecided', () => async () => []),
  },
  'lose-failures': {
    what: 'a failure that a node reports is not recorded',
    within: 20,
    install: () => {
      const isKept = ({ kind }: Receipt): boolean => kind !== 'failure'
      const undoOne = replace(
        Receipts.prototype,
        'record',
        (before) =>
          async function (this: Receipts, receipt) {
            return isKept(receipt) ? before.call(this, receipt) : true
          },
      )
      const undoAll = replace(
        Receipts.prototype,
        'recordAll',
        (before) =>
          async function (this: Receipts, receipts) {
            await before.call(this, receipts.filter(isKept))
          },
      )
      return () => {
        undoOne()
        undoAll()
      }
    },
  },
}
