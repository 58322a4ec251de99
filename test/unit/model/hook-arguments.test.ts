// Goal: no value that a job gives becomes more than one word, an option, or anything that was not declared.
// Method: properties over any values of a request, and the hostile ones by hand.
import { ok } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { HOOK_ARGUMENT_CHARS_MAX } from '../../../src/base/limits.js'
import { checkArguments, filledCommand } from '../../../src/model/hook-arguments.js'
import type { HookArgument } from '../../../src/model/hook.js'

const declare = (name: string, of: Partial<HookArgument> = {}): HookArgument => ({
  ...{ name, type: 'string', required: false, default: null, pattern: null, allowDash: false },
  ...{ min: null, max: null, choices: null },
  ...of,
})

const problemsOf = (argument: Partial<HookArgument>, value: unknown): string =>
  checkArguments({ arguments: [declare('a', argument)] }, { a: value }, { patterns: true }).problems.join()

const wordOf = (argument: Partial<HookArgument>, value: unknown): string | undefined =>
  checkArguments({ arguments: [declare('a', argument)] }, { a: value }, { patterns: true }).words.get('a')

t.test('a command has as many words as it was declared with and are given, whatever a job gives', async () => {
  const hook = { arguments: [declare('a'), declare('b', { type: 'integer' }), declare('c', { pattern: '[a-z]+' })] }
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), fc.string(), fc.option(fc.anything()), (others, a, b) => {
      const { words, problems } = checkArguments(hook, { ...others, a, b, c: a }, { patterns: true })
      if (problems.length > 0) return
      const command = filledCommand(['program', '{a}', '{b}', '{c}', 'x{a}y', '{}'], words)
      // What is null is not given, and a word that is one argument alone is left out with it.
      const isGiven = b !== null && b !== undefined
      ok(command.length === (isGiven ? 6 : 5) && command.every((word) => !/^-[^0-9]|\0|\n/.test(word)))
      ok(command.at(-2) === 'x{a}y' && command.at(-1) === '{}')
    }),
  )
})

t.test('text with an option, a line break, a NUL, half a character or a megabyte in it is refused', async (t) => {
  t.match(problemsOf({}, '-rf'), /begins with "-"/)
  t.match(problemsOf({ pattern: '.*' }, '--help'), /begins with "-"/, 'a pattern that lets it through does not')
  t.equal(wordOf({ allowDash: true }, '--help'), '--help')
  for (const bad of ['a\nb', 'a\0b', '\u001b[2J', '\r', '\ud800', '\u0085']) t.match(problemsOf({}, bad), /control/)
  t.match(problemsOf({}, 'x'.repeat(1_000_000)), /is longer than/)
  t.ok(problemsOf({}, 'x'.repeat(1_000_000)).length < 100, 'and is not said again')
  t.equal(wordOf({}, 'x'.repeat(HOOK_ARGUMENT_CHARS_MAX))?.length, HOOK_ARGUMENT_CHARS_MAX)
  for (const bad of [1, true, null, ['a'], { a: 1 }]) t.equal(wordOf({}, bad), undefined)
  t.equal(wordOf({}, '$(reboot) ; "`\' ${HOME} *'), '$(reboot) ; "`\' ${HOME} *', 'no shell reads it')
})

t.test('a pattern matches all of a value, and cannot break out of its anchors', async (t) => {
  t.match(problemsOf({ pattern: '[a-z]+' }, 'ab;cd'), /does not match/)
  t.match(problemsOf({ pattern: 'a|b' }, 'ax'), /does not match/)
  t.equal(wordOf({ pattern: '[a-z]+' }, 'abcd'), 'abcd')
  t.throws(() => problemsOf({ pattern: 'a)|(.*' }, 'reboot'), SyntaxError)
  const unseen = checkArguments({ arguments: [declare('a', { pattern: '(a+)+' })] }, { a: '!' }, { patterns: false })
  t.strictSame(unseen.problems, [], 'who only asks leaves patterns to the node')
})

t.test('whole numbers, truth values and choices are what they say', async (t) => {
  t.equal(wordOf({ type: 'integer' }, 80), '80')
  t.equal(wordOf({ type: 'integer' }, '080'), '80')
  t.equal(wordOf({ type: 'integer', min: -5 }, '-5'), '-5')
  for (const bad of ['-1', -1, 1.5, '1e3', '0x10', ' 1', '', '9'.repeat(30), Number.NaN, Infinity, null, [1]]) {
    t.ok(problemsOf({ type: 'integer', required: true }, bad), `${String(bad)} is refused`)
  }
  t.match(problemsOf({ type: 'integer', max: 9 }, 10), /9 or less/)
  t.equal(wordOf({ type: 'boolean' }, true), 'true')
  t.equal(wordOf({ type: 'boolean' }, 'false'), 'false')
  for (const bad of ['yes', 1, ['true'], { toString: () => 'true' }]) t.ok(problemsOf({ type: 'boolean' }, bad))
  t.equal(wordOf({ type: 'choice', choices: ['a', '-b'] }, '-b'), '-b', 'the operator wrote it')
  t.match(problemsOf({ type: 'choice', choices: ['a', 'b'] }, 'c'), /one of a, b/)
})

t.test('what is not declared is refused, also names that JavaScript keeps for itself', async (t) => {
  const given: Record<string, unknown> = JSON.parse('{"__proto__": "x", "constructor": "y", "toString": "z"}')
  const { words, problems } = checkArguments({ arguments: [declare('a')] }, given, { patterns: true })
  t.equal(words.size, 0)
  t.equal(problems.length, 3)
})

t.test('a default is taken, what is required is missed, what is neither is left out of the command', async (t) => {
  const declared = [declare('a', { default: 'x' }), declare('b', { required: true }), declare('c')]
  const { words, problems } = checkArguments({ arguments: declared }, {}, { patterns: true })
  t.strictSame(problems, ['b is missing'])
  t.strictSame(filledCommand(['p', '{a}', '{c}', 'end'], words), ['p', 'x', 'end'])
})
