// Goal: the words of `engine job add` become exactly the command that is meant, or are refused before anything is
// asked.
import fc from 'fast-check'
import t from 'tap'
import { type AddFlags, argsOf, placeOf, requestOf as requestAt } from '../../../src/cli/commands/adding.js'
import { runProgram } from '../../../src/cli/program.js'
import { commandLines, summary, wordsOf } from '../../../src/cli/summary.js'
import { idleMs, waitsFor } from '../../../src/cli/waiting.js'
import type { CommandRequest, CommandView } from '../../../src/model/job.js'
import { jobCommands } from '../../support/records.js'
import { jobNode, jobView } from './job.js'

const requestOf = (type: string, words: readonly string[], flags: AddFlags) => requestAt(type, words, flags, 7)

t.test('each command is read with its own options', async (t) => {
  t.same(requestOf('commit', [], {}), { type: 'commit' })
  t.same(requestOf('rollback', [], { release: 'www@4' }), { type: 'rollback', release: 4 })
  t.same(requestOf('run-hook', ['reload'], { arg: ['unit=a=b', 'depth='] }), {
    ...{ type: 'run-hook', hook: 'reload', args: { unit: 'a=b', depth: '' } },
  })
  const verify = requestOf('verify', [], { rate: '20M', repair: true })
  t.match(verify, { type: 'verify', release: null, repair: true })
  t.ok(verify?.type === 'verify' && (verify.rateBps ?? 0) >= 160_000_000)
  t.equal(requestOf('publish', ['site'], { upload: true }), null, 'made where its directory is')
})

t.test('edits are read as the commands of their own read them', async (t) => {
  const set = { type: 'set-properties', path: 'a', mode: null, mtimeNs: null, create: false }
  const mkdir = { type: 'mkdir', path: 'a/b', mode: null, parents: false }
  t.same(requestOf('mkdir', [':/www/a/b'], {}), mkdir)
  t.same(requestOf('mkdir', [':/www/a/b/'], { mode: '700', parents: true }), { ...mkdir, mode: '700', parents: true })
  t.same(requestOf('chmod', ['640', ':/www/a'], {}), { ...set, mode: '640' })
  t.same(requestOf('touch', [':/www/a'], { create: true }), { ...set, mtimeNs: '7000000', create: true })
  t.same(requestOf('touch', [':/www/a'], { create: false, date: '@1.5' }), { ...set, mtimeNs: '1500000000' })
  t.match(requestOf('touch', [':/www/a'], { date: '@2', idempotencyKey: 'k' }), { mtimeNs: '2000000000' })
  t.same(requestOf('rm', [':/www/a'], { recursive: true }), { type: 'remove', path: 'a', recursive: true })
  t.equal(requestOf('put', ['/tmp/x', ':/www/a/'], {}), null, 'made where its content is')
  t.same(placeOf('put', ['/tmp/a%x', ':/www/a/']), { site: 'www', path: 'a/a%25x' })
  t.same(placeOf('chmod', ['640', ':/www/a']), { site: 'www', path: 'a' })
  t.equal(placeOf('publish', ['.']), null)
})

t.test('edits that are no edits are refused', async (t) => {
  const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }
  const wrong: readonly (readonly [string, readonly string[], AddFlags])[] = [
    ['put', [':/www/a'], {}],
    ['put', ['-', ':/www/'], {}],
    ['mkdir', [':/www/a', ':/www/b'], {}],
    ['mkdir', ['a'], {}],
    ['chmod', [':/www/a'], {}],
    ['chmod', ['u+x', ':/www/a'], {}],
    ['rm', [':/www/a'], { create: false }],
    ['rm', [':/www/a'], { mode: '644' }],
    ['touch', [':/www/a'], { date: 'soon' }],
    ['touch', [':/www@3/a'], {}],
    ['touch', [':/www/a'], { idempotencyKey: 'k' }],
    ['publish', ['.'], { recursive: true }],
  ]
  for (const [type, words, flags] of wrong)
    t.throws(
      () => {
        requestOf(type, words, flags)
        placeOf(type, words)
      },
      refused,
      `${type} ${words.join(' ')}`,
    )
  t.throws(() => requestOf('rm', ['n1:/www/a'], {}), { code: 'ENGINE_ERR_EDIT_OF_NODE' })
})

t.test('what does not belong together is refused', async (t) => {
  const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }
  t.throws(() => requestOf('end-job', [], {}), refused)
  t.throws(() => requestOf('constructor', [], {}), refused)
  t.throws(() => requestOf('publish', [], {}), refused)
  t.throws(() => requestOf('run-hook', [], {}), refused)
  t.throws(() => requestOf('commit', ['now'], {}), refused)
  t.throws(() => requestOf('commit', [], { repair: true }), refused)
  t.throws(() => requestOf('run-hook', ['a'], { release: '1' }), refused)
  t.throws(() => argsOf(['unit']), refused)
  t.throws(() => argsOf(['=nginx']), refused)
  t.throws(() => argsOf(['a=1', 'a=2']), { ...refused, message: /given twice/ })
})

t.test('arguments come out as they were given', async () => {
  const name = fc.string({ minLength: 1 }).filter((text) => !text.includes('='))
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, fc.string()), { selector: ([key]) => key }), (pairs) => {
      const read = argsOf(pairs.map(([key, value]) => `${key}=${value}`))
      return pairs.every(([key, value]) => key === '__proto__' || read[key] === value)
    }),
  )
})

t.test('wrong usage of a session ends with 2 before anybody is asked', async (t) => {
  const silence = t.capture(process.stderr, 'write', () => true)
  const none = ['--url', 'http://127.0.0.1:1']
  const wrong = [
    ['job', 'open'],
    ['job', 'add', 'J1'],
    ['job', 'add', 'J1', 'nope', ...none],
    ['job', 'watch'],
  ]
  const codes: number[] = []
  for (const args of [...wrong, ['run-hook', '-s', 'www']]) codes.push(await runProgram(args, '1'))
  silence.restore()
  t.same(codes, [2, 2, 2, 2, 2])
})

const hook: CommandRequest = { type: 'run-hook', hook: 'reload', args: { unit: 'nginx' } }
const onNode = { nodeId: '0'.repeat(32), name: 'n1', state: 'completed', reason: null, output: 'ok\n' } as const
const view = (values: Partial<CommandView>): CommandView => {
  const [command] = jobCommands([hook])
  if (command === undefined) throw new Error('one was asked for')
  return { ...command, state: 'completed', nodes: [onNode], ...values }
}

t.test('a hook is told in one line, and node by node where it failed', async (t) => {
  t.equal(wordsOf(hook), 'run-hook reload unit=nginx')
  t.same(commandLines(view({})), ['1 run-hook reload unit=nginx done on 1/1 node'])
  const output = 'one\ntwo\n\u001b[31mthree\nfour\nfive\nsix\n'
  const failed = { ...onNode, name: 'n2', state: 'failed', reason: 'exit code 1', output } as const
  const away = { ...onNode, name: 'n3', state: 'new', output: null } as const
  const lines = commandLines(view({ state: 'failed', nodes: [onNode, failed, away] }))
  t.same(lines.slice(0, 3), ['1 run-hook reload unit=nginx done on 1/3 nodes', '  n2: exit code 1', '    one'])
  t.same(lines.slice(-2), ['    … 1 more lines', '  n3: it has not answered'])
  const untold = { ...away, name: 'n2' }
  t.same(
    commandLines(view({ state: 'failed', nodes: [away, untold] })),
    ['1 run-hook reload unit=nginx done on 0/2 nodes'],
    'nobody is blamed for what was refused before anybody was told',
  )
  t.notMatch(lines.join('\n'), '\u001b', 'what a hook wrote reaches no terminal as it is')
})

t.test('a session without a release says what it did, and that some nodes follow', async (t) => {
  const commands = jobCommands([hook, { type: 'end-job' }]).map((each) => ({ ...each, state: 'completed' as const }))
  const session = jobView({ release: null, baseRelease: null, assignment: null, commands })
  t.match(summary(session, [view({})], 300), {
    isWell: true,
    lines: ['www: 1 run-hook reload unit=nginx done on 1/1 node  in 300 ms'],
    hint: null,
  })
  t.same(summary({ ...session, commands: [] }, [], null).lines, ['www: 0 commands done'])
  const away = { ...onNode, state: 'new', reason: 'no answer for 12 s' } as const
  const partial = summary({ ...session, state: 'partial' }, [view({ nodes: [away] })], null)
  t.match(partial, { isWell: false, lines: [/done on 0\/1 node/, '  n1: no answer for 12 s'] })
})

t.test('what is live on a part of the nodes is no success', async (t) => {
  const nodes = [jobNode({ state: 'behind', reason: 'no answer' })]
  const commands = jobView().commands.map((each) => ({ ...each, state: 'completed' as const }))
  const { isWell, lines } = summary(jobView({ state: 'partial', nodes, commands }), [], null)
  t.equal(isWell, false)
  t.match(lines[0], /www@2 live on 0\/1 node; 1 node will follow/)
})

t.test('what a node that is behind gives as its reason reaches no terminal as it is', async (t) => {
  const nodes = [jobNode({ state: 'behind', reason: 'no\u001b[2J answer\n✔ all is well' })]
  const commands = jobView().commands.map((each) => ({ ...each, state: 'completed' as const }))
  const { lines } = summary(jobView({ state: 'partial', nodes, commands }), [], null)
  t.notMatch(lines.join(''), /\p{Cc}/u)
})

t.test('who departed is told of, and counts in nothing', async (t) => {
  const gone = jobNode({ nodeId: '9'.repeat(32), name: 'n9', state: 'departed', reason: 'other groups' })
  const nodes = [jobNode({ state: 'live' }), gone]
  const commands = jobView().commands.map((each) => ({ ...each, state: 'completed' as const }))
  const { isWell, lines } = summary(jobView({ state: 'succeeded', nodes, commands }), [], null)
  t.equal(isWell, true)
  t.match(lines, [/www@2 live on 1\/1 node/, '  n9 is departed: other groups'])
})

t.test('an open job is idle since its last command was over, and one at work is not', async (t) => {
  const over = jobCommands([hook]).map((each) => ({ ...each, state: 'completed' as const, finishedAtMs: 60_000 }))
  const open = jobView({ state: 'open', commands: over, createdAtMs: 1000 })
  t.equal(idleMs(open, 240_000), 180_000)
  t.equal(idleMs(jobView({ state: 'open', commands: [], createdAtMs: 1000 }), 2000), 1000)
  t.equal(idleMs(jobView({ state: 'open', commands: jobCommands([hook]) }), 2000), null)
  t.equal(idleMs(jobView({ state: 'packing', commands: [] }), 2000), null)
  t.match(waitsFor(open, 240_000), /^waits for open job J1, idle for 3 m 0 s: engine job end J1/)
  t.match(waitsFor(jobView({ state: 'staged' }), 0), /^waits for staged job J1/)
})
