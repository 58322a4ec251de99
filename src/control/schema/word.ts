// Words: what nodes tell one another of a job, over connections of the data plane, one JSON object a line.
// In: what a node received. Out: the same, checked. Never: a decision; whether a signature holds.
import { z } from 'zod'
import { ERROR_CODE_CHARS_MAX, ID_CHARS_MAX, MESSAGE_CHARS_MAX, NODE_SITES_MAX } from '../../base/limits.js'
import { WORD_COMMANDS_MAX, WORD_SERVERS_MAX, WORD_URL_CHARS_MAX } from '../../base/word-limits.js'
import { commandNumber, runHook, verify } from './command.js'
import type { SignedWord } from '../../model/word.js'
import { count, identity, name, release, signature, treeHash } from './registry.js'

const revision = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const jobId = z.string().max(ID_CHARS_MAX)

export const wordServer = z.object({
  nodeId: identity,
  name,
  host: z.union([z.ipv4(), z.ipv6()]),
  port: z.number().int().min(1).max(65535),
})
const switchTo = { release, treeHash }
const decided = z.discriminatedUnion('type', [
  z.object({ type: z.literal('commit'), ...switchTo }),
  z.object({ type: z.literal('rollback'), ...switchTo }),
  runHook,
  verify,
  z.object({ type: z.literal('end-job') }),
])
const command = z.object({ number: commandNumber, revision, command: decided })
const target = z.object({
  ...switchTo,
  jobId,
  number: commandNumber,
  command: z.enum(['commit', 'rollback']),
  revision,
})

const ascends = (commands: readonly { readonly revision: number }[], most: number): boolean =>
  commands.every((each, at) => each.revision > (commands[at - 1]?.revision ?? 0) && each.revision <= most)

/** All of a word but its servers: those of one list go to a node once. */
export const wordBody = z.object({
  coordinatorId: identity,
  coordinatorUrl: z.string().max(WORD_URL_CHARS_MAX).nullable(),
  site: name,
  jobId,
  revision,
  commands: z.array(command).max(WORD_COMMANDS_MAX),
  target: target.nullable(),
  ended: z.boolean(),
  signature,
})
export const wordServers = z.array(wordServer).max(WORD_SERVERS_MAX)
/** Places in the word's list of servers. */
export const wordIndexes = z
  .array(
    z
      .number()
      .int()
      .min(0)
      .max(WORD_SERVERS_MAX - 1),
  )
  .max(WORD_SERVERS_MAX)

export const word: z.ZodType<SignedWord> = wordBody
  .extend({ servers: wordServers })
  .refine(({ commands, revision: most }) => ascends(commands, most), 'commands must ascend to the revision')
  .refine(({ target: to, revision: most }) => to === null || to.revision <= most, 'a target of the future')

/** What a caller wants; one a talk. */
export const talkRequest = z.discriminatedUnion('say', [
  /** Here is a word; approach those at `indexes` with it. */
  z.object({ say: z.literal('push'), word, indexes: wordIndexes }),
  /** Tell me what I lack: by site the highest revision that I know. */
  z.object({
    say: z.literal('pull'),
    have: z.record(name, count).refine((have) => Object.keys(have).length <= NODE_SITES_MAX, 'too many sites'),
  }),
])
/** What is answered: to a push one line, to a pull a word a line and then the end. */
export const talkAnswer = z.discriminatedUnion('say', [
  z.object({ say: z.literal('heard') }),
  z.object({
    say: z.literal('refused'),
    code: z.string().max(ERROR_CODE_CHARS_MAX),
    message: z.string().max(MESSAGE_CHARS_MAX),
  }),
  z.object({ say: z.literal('word'), word }),
  z.object({ say: z.literal('end') }),
])

export type TalkRequest = z.infer<typeof talkRequest>
export type TalkAnswer = z.infer<typeof talkAnswer>
