import { z } from 'zod'
import {
  HOOK_ARGUMENT_CHARS_MAX,
  HOOK_ARGUMENTS_MAX,
  HOOK_CHOICE_CHARS_MAX,
  HOOK_CHOICES_MAX,
  HOOK_PATTERN_CHARS_MAX,
  HOOK_SITES_MAX,
} from '../../base/limits.js'
import {
  HOOK_ARGUMENT_PATTERN,
  HOOK_ARGUMENT_RULE,
  type HookArgument,
  hookArgumentTypes,
  type HookInfo,
  hookTriggers,
} from '../../model/hook.js'
import { name, named } from './registry.js'

const whole = z.number().int().nullable()
const value = z.union([z.string().max(HOOK_ARGUMENT_CHARS_MAX), z.number(), z.boolean()])

const hookArgument: z.ZodType<HookArgument> = named(
  'HookArgument',
  z.object({
    name: z.string().regex(HOOK_ARGUMENT_PATTERN, HOOK_ARGUMENT_RULE),
    type: z.enum(hookArgumentTypes),
    required: z.boolean(),
    default: value.nullable().describe('Taken when none is given; null: it is left out.'),
    pattern: z.string().max(HOOK_PATTERN_CHARS_MAX).nullable().describe('All of a string must match; the node checks.'),
    allowDash: z.boolean(),
    min: whole,
    max: whole,
    choices: z.array(z.string().max(HOOK_CHOICE_CHARS_MAX)).max(HOOK_CHOICES_MAX).nullable(),
  }),
)

/** What a node tells of one hook. */
export const hookInfo: z.ZodType<HookInfo> = named(
  'Hook',
  z.object({
    name,
    on: z.enum(hookTriggers).nullable().describe('When it runs by itself; null: only when a job names it.'),
    sites: z.array(name).max(HOOK_SITES_MAX).nullable().describe('Null: all.'),
    arguments: z.array(hookArgument).max(HOOK_ARGUMENTS_MAX),
    repeatable: z.boolean().describe('Interrupted by a crash of the node, it is run again.'),
  }),
)
