import { z } from 'zod'
import { ID_CHARS_MAX, MESSAGE_CHARS_MAX } from '../base/limits.js'
import { channelError, report as reportSchema } from '../control/schema/channel.js'
import { orderNumber } from '../control/schema/command.js'
import { count, identity, name, publicKey, release, treeHash } from '../control/schema/registry.js'

/** Of the records' meaning; a journal of another version is not read. */
export const JOURNAL_VERSION = 1

const place = { site: name, release }
const assignmentId = identity
const commandKey = { jobId: z.string().max(ID_CHARS_MAX), number: orderNumber }

/** What is wrong with what is live, and the hook that says so. */
const trouble = z.object({ hook: name, message: z.string().max(MESSAGE_CHARS_MAX) })
export type Trouble = z.infer<typeof trouble>

/** What a node writes down, each before it acts on it or tells anybody. */
export const journalRecord = z.discriminatedUnion('type', [
  z.object({ type: z.literal('opened'), version: z.number().int() }),
  /**
   * The first coordinator that welcomed it: the only one it takes orders from, known by its key. Early journals
   * have no key: the first that is seen counts then.
   */
  z.object({ type: z.literal('joined'), coordinatorId: z.string().max(ID_CHARS_MAX), publicKey: publicKey.optional() }),
  /** It was told to fetch an assignment: what lies in its files is worth keeping. */
  z.object({ type: z.literal('begun'), assignmentId, ...place, treeHash }),
  /** Nothing of an assignment's files is needed any more. */
  z.object({ type: z.literal('ended'), assignmentId }),
  /** A release stands whole and durable beside the live one. */
  z.object({ type: z.literal('staged'), ...place, treeHash, wasLive: z.boolean().optional() }),
  /** It is what readers see. */
  z.object({ type: z.literal('live'), ...place, treeHash, revision: count.optional() }),
  /** It was removed. */
  z.object({ type: z.literal('dropped'), ...place }),
  /** A switch is about to be made that hooks are to follow: until they are done, each start sees to them. */
  z.object({
    type: z.literal('hooks-due'),
    ...place,
    treeHash,
    commandId: z.string().max(ID_CHARS_MAX),
    ...commandKey,
    command: z.enum(['commit', 'rollback']),
  }),
  /** They have been run, or are not to be any more. `trouble`: why what is live is not well for all that. */
  z.object({ type: z.literal('hooks-done'), ...place, trouble: trouble.nullable() }),
  /**
   * What a reading of it came to. `suspect`: another release of its site is damaged, and the two may share the
   * bytes that went bad; it counts for nothing until it was read too.
   */
  z.object({
    type: z.literal('judged'),
    ...place,
    treeHash,
    health: z.enum(['sound', 'suspect', 'damaged']),
    mend: z.boolean().optional(),
  }),
  /** A command that is no step towards a release is begun: what it does may have happened from here on. */
  z.object({ type: z.literal('executing'), ...commandKey }),
  /** It has been carried out, well or badly, and is not carried out again. */
  z.object({
    type: z.literal('executed'),
    ...commandKey,
    phase: z.enum(['completion', 'failure']),
    error: channelError.nullable(),
    site: name.optional(),
    revision: count.optional(),
  }),
  /** How far it is with what was decided for a site, see `SiteWords`. */
  z.object({ type: z.literal('words'), site: name, switched: count, settled: count }),
  /** The coordinator is to learn this, until it says that it has. */
  z.object({ type: z.literal('reported'), report: reportSchema }),
  z.object({ type: z.literal('acked'), reportId: z.number().int().min(1) }),
])
export type JournalRecord = z.infer<typeof journalRecord>
