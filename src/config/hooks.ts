// The hooks of a node as its configuration declares them.
// In: what a file or an embedding program says. Out: hooks, complete and checked.
// Never: a command for a shell; a word of a command that nobody checked.
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { EngineError } from '../base/errors.js'
import {
  HOOK_ARGUMENTS_MAX,
  HOOK_CHOICE_CHARS_MAX,
  HOOK_CHOICES_MAX,
  HOOK_PATTERN_CHARS_MAX,
  HOOK_SITES_MAX,
  HOOK_TIMEOUT_MS_DEFAULT,
  HOOK_TIMEOUT_MS_MAX,
  HOOK_VARIABLES_MAX,
  HOOK_WORD_CHARS_MAX,
  HOOK_WORDS_MAX,
  HOOKS_MAX,
} from '../base/limits.js'
import { argumentWord, matcherOf } from '../model/hook-arguments.js'
import {
  HEALTH_HOOK,
  type Hook,
  HOOK_ARGUMENT_PATTERN,
  HOOK_ARGUMENT_RULE,
  type HookArgument,
  hookArgumentTypes,
  hookTriggers,
  placeholderOf,
} from '../model/hook.js'
import { NAME_PATTERN, NAME_RULE } from '../model/name.js'
import { field } from './meta.js'

const NUL = '\0'
const word = () =>
  z
    .string()
    .max(HOOK_WORD_CHARS_MAX)
    .refine((text) => !text.includes(NUL), 'must not hold a NUL character')

/** A map by names; a key that JavaScript keeps for itself is refused like any other bad name. */
const byName = <T extends z.ZodType>(
  keys: RegExp,
  rule: string,
  value: T,
  max: number,
): z.ZodType<Record<string, z.output<T>>, Readonly<Record<string, z.input<T>>>> =>
  z.preprocess(
    (map: Readonly<Record<string, z.input<T>>>, context) => {
      if (typeof map !== 'object' || map === null || Array.isArray(map)) return map
      const names = Object.keys(map)
      if (names.length > max) context.addIssue({ code: 'custom', message: `must hold ${max} or fewer` })
      for (const name of names.filter((one) => !keys.test(one))) {
        context.addIssue({ code: 'custom', path: [name], message: `is no name: it must be ${rule}` })
      }
      return map
    },
    z.record(z.string(), value),
  )

const argumentSchema = z.strictObject({
  type: field(z.enum(hookArgumentTypes), {
    effect: 'What a job may give: text, a whole number, true or false, or one of `choices`.',
    worstCase: 'string without a pattern: whoever may ask for jobs chooses the word freely.',
  }),
  pattern: field(z.string().max(HOOK_PATTERN_CHARS_MAX).nullable().default(null), {
    effect: 'Regular expression that all of a string must match.',
    worstCase: 'Nested repetitions, such as (a+)+, can hold up the node for long on a hostile value.',
  }),
  allowDash: field(z.boolean().default(false), {
    effect: 'Lets a string begin with "-".',
    worstCase: 'The program reads it as an option.',
    advanced: true,
  }),
  min: field(z.int().nullable().default(null), {
    unit: 'of the argument itself',
    effect: 'Least whole number; null is 0.',
    worstCase: 'A negative one looks like an option to some programs.',
  }),
  max: field(z.int().nullable().default(null), {
    unit: 'of the argument itself',
    effect: 'Greatest whole number.',
    worstCase: 'null: as great as fifteen digits are.',
  }),
  choices: field(
    z.array(word().min(1).max(HOOK_CHOICE_CHARS_MAX)).min(1).max(HOOK_CHOICES_MAX).nullable().default(null),
    {
      effect: 'The words that a choice may be.',
      worstCase: 'One that begins with "-" is read as an option; it is given as it stands.',
    },
  ),
  required: field(z.boolean().default(false), {
    effect: 'Refuses a call without it.',
    worstCase: 'false without a default: its word is left out of the command.',
  }),
  default: field(z.union([z.string(), z.number(), z.boolean()]).nullable().default(null), {
    effect: 'Taken when a job gives none.',
    worstCase: 'null: the word is left out of the command.',
  }),
})

type ArgumentInput = z.output<typeof argumentSchema>

const hookSchema = z.strictObject({
  command: field(z.array(word().min(1)).min(1).max(HOOK_WORDS_MAX), {
    effect:
      'Program (an absolute path, or a name looked up in PATH) and its words; `{name}` as a whole word is replaced ' +
      'by that argument. No shell reads it.',
    worstCase: 'A shell with an argument in its script, such as [sh, -c, …]: give arguments as words after it.',
  }),
  on: field(z.enum(hookTriggers).nullable().default(null), {
    effect: 'When it runs by itself: before a switch, after it, or to tell whether a site is well; null: never.',
    worstCase: 'before-commit: while it fails, this node does not switch.',
  }),
  sites: field(
    z
      .array(z.string().regex(NAME_PATTERN, `must be ${NAME_RULE}`))
      .min(1)
      .max(HOOK_SITES_MAX)
      .nullable()
      .default(null),
    {
      effect: 'Sites that it is for; null: all.',
      worstCase: 'A misspelt one: it never runs.',
    },
  ),
  arguments: field(byName(HOOK_ARGUMENT_PATTERN, HOOK_ARGUMENT_RULE, argumentSchema, HOOK_ARGUMENTS_MAX).prefault({}), {
    effect: 'What a job may give it, by name; each is a variable ENGINE_ARG_NAME of its environment, too.',
    worstCase: 'Whoever may ask for jobs chooses the values, within what is declared here.',
  }),
  timeoutMs: field(z.int().min(1).max(HOOK_TIMEOUT_MS_MAX).default(HOOK_TIMEOUT_MS_DEFAULT), {
    unit: 'milliseconds',
    effect: 'It is stopped after this long, and counts as failed.',
    worstCase: 'Before a switch the whole site of this node waits for so long.',
  }),
  repeatable: field(z.boolean().default(false), {
    effect: 'Named by a job and interrupted by a crash of the node, it is run again; else the job is told.',
    worstCase: 'true for what must not happen twice, such as a migration: it may.',
  }),
  cwd: field(word().refine(isAbsolute, 'must be an absolute path').nullable().default(null), {
    effect: 'Directory that it runs in; null: the data directory of the node.',
    worstCase: 'One that is gone: the hook fails.',
    advanced: true,
  }),
  env: field(
    byName(
      /^(?!ENGINE_)[A-Za-z][A-Za-z0-9_]*$/,
      'a name of a variable, not ENGINE_…',
      word(),
      HOOK_VARIABLES_MAX,
    ).prefault({}),
    {
      effect: 'Variables beside PATH, HOME, USER, LANG, TZ and the facts of the case; nothing else is passed on.',
      worstCase: 'LD_PRELOAD and its like change what is run.',
      advanced: true,
    },
  ),
})

type HookInput = z.output<typeof hookSchema>
type Refuse = (path: readonly (string | number)[], message: string) => void

/** What has a meaning for one type of argument alone. */
const belongsTo = [
  ['pattern', 'string', 'is for a string only'],
  ['allowDash', 'string', 'is for a string only'],
  ['min', 'integer', 'is for an integer only'],
  ['max', 'integer', 'is for an integer only'],
  ['choices', 'choice', 'is for a choice only'],
] as const

function checkArgument(name: string, argument: ArgumentInput, refuse: Refuse): void {
  const { type, pattern, min, max, choices } = argument
  const at = (key: string): string[] => ['arguments', name, key]
  for (const [key, owner, why] of belongsTo) {
    if (type !== owner && (argument[key] ?? false) !== false) refuse(at(key), why)
  }
  if (type === 'choice' && choices === null) refuse(at('choices'), 'is missing: it says what may be chosen')
  if ((min ?? 0) > (max ?? Number.MAX_SAFE_INTEGER)) refuse(at('min'), 'is greater than max')
  if (isPattern(pattern)) checkDefault(name, argument, refuse)
  else refuse(at('pattern'), 'is no regular expression')
}

function checkDefault(name: string, argument: ArgumentInput, refuse: Refuse): void {
  if (argument.default === null) return
  if (argument.required) refuse(['arguments', name, 'required'], 'has no meaning beside a default')
  const read = argumentWord(toArgument(name, argument), argument.default, { patterns: true })
  if ('problem' in read) refuse(['arguments', name, 'default'], read.problem)
}

function isPattern(pattern: string | null): boolean {
  try {
    if (pattern !== null) matcherOf(pattern)
    return true
  } catch {
    return false
  }
}

function checkCommand({ command, arguments: declared }: HookInput, refuse: Refuse): void {
  const names = Object.keys(declared)
  const [program = ''] = command
  if (placeholderOf(program) !== null) refuse(['command'], 'must begin with a program, not with an argument')
  else if (program.includes('/') && !isAbsolute(program)) {
    refuse(['command'], 'must begin with an absolute path, or a name that is looked up in PATH')
  }
  for (const text of command) {
    const name = placeholderOf(text)
    if (name !== null && !names.includes(name)) {
      refuse(['command'], `has ${text}, but no argument ${name} is declared`)
    }
    const within = names.find((one) => name === null && text.includes(`{${one}}`))
    if (within !== undefined) {
      const variable = `ENGINE_ARG_${within.toUpperCase()}`
      refuse(['command'], `has {${within}} within a word: make it a word of its own, or read ${variable}`)
    }
  }
}

function checkHook(name: string, hook: HookInput, refuse: Refuse): void {
  for (const [argument, declared] of Object.entries(hook.arguments)) checkArgument(argument, declared, refuse)
  checkCommand(hook, refuse)
  const needed = Object.entries(hook.arguments).find(([, { required }]) => required)?.[0]
  if (hook.on !== null && needed !== undefined) {
    refuse(['arguments', needed, 'required'], `cannot be: nobody gives arguments to a hook that runs ${hook.on}`)
  }
  if (name === HEALTH_HOOK && hook.on !== 'health') refuse(['on'], `must be health for a hook that is called ${name}`)
}

/** All hooks of a node, by name. */
export const hooksSchema = byName(NAME_PATTERN, NAME_RULE, hookSchema, HOOKS_MAX).superRefine((hooks, context) => {
  for (const [name, hook] of Object.entries(hooks)) {
    checkHook(name, hook, (path, message) => context.addIssue({ code: 'custom', path: [name, ...path], message }))
  }
})

/** Hooks as a file or an embedding program writes them. */
export type HooksInput = Readonly<Record<string, z.input<typeof hookSchema>>>

function toArgument(name: string, argument: ArgumentInput): HookArgument {
  return { name, ...argument }
}

/** Hooks as the node runs them, in the order they were declared. */
export function toHooks(read: z.output<typeof hooksSchema>): readonly Hook[] {
  return Object.entries(read).map(([name, { env, arguments: declared, ...rest }]) => ({
    name,
    ...rest,
    arguments: Object.entries(declared).map(([argument, one]) => toArgument(argument, one)),
    env: Object.entries(env),
  }))
}

/** Reads the hooks of an embedding program. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT naming each bad field. */
export function readHooks(input: HooksInput): readonly Hook[] {
  const read = hooksSchema.safeParse(input)
  if (read.success) return toHooks(read.data)
  const problems = read.error.issues.map(
    ({ path, message }) => `${['hooks', ...path].map(String).join('.')} ${message}`,
  )
  throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'hooks', why: problems.join('; ') })
}
