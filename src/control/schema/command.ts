import { z } from 'zod'
import { HOOK_ARGUMENT_CHARS_MAX, HOOK_ARGUMENTS_MAX, JOB_COMMANDS_MAX } from '../../base/limits.js'
import { CANARY_CHECKS_MAX } from '../../base/policy-limits.js'
import type { CommandRequest } from '../../model/job.js'
import { fileMode, filePath, fileTimeNs } from './file.js'
import { count, identity, name, named, release, treeHash } from './registry.js'

/** Of a command in its job. */
export const commandNumber = z.number().int().min(1).max(JOB_COMMANDS_MAX)

/** Of what a node carries out for a job: beyond its commands are the checks of canaries, and repairs. */
export const orderNumber = z
  .number()
  .int()
  .min(1)
  .max(JOB_COMMANDS_MAX + CANARY_CHECKS_MAX)

/** Run a hook that this node declares, with arguments that it checks. */
export const runHook = z.object({
  type: z.literal('run-hook'),
  hook: name,
  args: z
    .record(name, z.string().max(HOOK_ARGUMENT_CHARS_MAX))
    .refine((args) => Object.keys(args).length <= HOOK_ARGUMENTS_MAX, 'too many arguments'),
})
/** Read what is served and compare it with what was promised. */
export const verify = z.object({
  type: z.literal('verify'),
  /** Null: what is live. */
  release: release.nullable(),
  /** Bits per second read from the disk; null: as the node is configured. */
  rateBps: count.nullable(),
  repair: z.boolean(),
})
/** `/a/b`: the coordinator does not know where its callers stand. */
const absolutePath = z
  .string()
  .min(1)
  .max(4095)
  .regex(/^\//, 'an absolute path')
  .refine((path) => !path.includes('\0'), 'no NUL byte')

const publish = z.strictObject({
  type: z.literal('publish'),
  directory: absolutePath.nullable().default(null).describe("Staging directory on the coordinator's machine."),
  upload: identity.nullable().default(null).describe('An upload in its place; it may still be arriving.'),
})

const path = filePath.describe('Below the site; %XX stands for any byte.')
const mode = fileMode.nullable().default(null)
const mtimeNs = fileTimeNs.nullable().default(null)

const edits = [
  z.strictObject({
    type: z.literal('put'),
    path,
    digest: treeHash.describe('BLAKE3 of a content that the coordinator has.'),
    sizeBytes: count,
    mode: mode.describe('Null: that of the file that is there, else 644.'),
    mtimeNs: mtimeNs.describe('Nanoseconds since 1970; null: when it was asked for.'),
    parents: z.boolean().default(false).describe('Make the directories above it that are missing.'),
  }),
  z.strictObject({
    type: z.literal('mkdir'),
    path,
    mode: mode.describe('Null: 755.'),
    parents: z.boolean().default(false).describe('Those above it too; one that is there is left as it is.'),
  }),
  z.strictObject({
    type: z.literal('set-properties'),
    path,
    mode: mode.describe('Null: as it is.'),
    mtimeNs: mtimeNs.describe('Nanoseconds since 1970; null: as it is.'),
    create: z.boolean().default(false).describe('Make an empty file where nothing is.'),
  }),
  z.strictObject({
    type: z.literal('remove'),
    path,
    recursive: z.boolean().default(false).describe('A directory and all below it.'),
  }),
] as const

const others = [
  ...edits,
  z.strictObject({ type: z.literal('commit') }),
  z.strictObject({
    type: z.literal('rollback'),
    release: release.nullable().default(null).describe('Release to go back to; null: the one that was live before.'),
  }),
  z.strictObject({ ...runHook.shape, args: runHook.shape.args.default({}) }),
  z.strictObject({
    type: z.literal('verify'),
    release: release.nullable().default(null).describe('Null: what is live.'),
    rateBps: count.nullable().default(null).describe('Bits per second read from the disk; null: as the node says.'),
    repair: z.boolean().default(false),
  }),
  z.strictObject({ type: z.literal('end-job') }),
] as const

/** One command, as it is asked for. */
export const commandRequest: z.ZodType<CommandRequest> = named(
  'CommandRequest',
  z.discriminatedUnion('type', [
    publish.refine(({ directory, upload }) => (directory === null) !== (upload === null), {
      path: ['directory'],
      message: 'a publish needs a directory or an upload',
    }),
    ...others,
  ]),
)

/** The same as it was accepted: an upload has a directory that stands for it. */
export const commandAccepted: z.ZodType<CommandRequest> = named(
  'CommandAccepted',
  z.discriminatedUnion('type', [publish, ...others]),
)
