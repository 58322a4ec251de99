// A word is signed over all that it says: nothing of it can be changed, and it comes through JSON as it was.
import fc from 'fast-check'
import t from 'tap'
import { Signer } from '../../../src/base/signing.js'
import { WORD_COMMANDS_MAX, WORD_SERVERS_MAX } from '../../../src/base/word-limits.js'
import { talkAnswer, talkRequest, word as wordSchema } from '../../../src/control/schema/word.js'
import { indexIn, isWordSigned, serversDigest, signWord, type Word, type WordDecided } from '../../../src/model/word.js'
import { hookCommand, serverOf, wordOf, wordSigner } from '../../support/words.js'

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits })
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
const release = fc.integer({ min: 1, max: 1e9 })
const decided: fc.Arbitrary<WordDecided> = fc.oneof(
  fc.record({ type: fc.constantFrom('commit' as const, 'rollback' as const), release, treeHash: hex(64) }),
  fc.record({
    type: fc.constant('run-hook' as const),
    hook: name,
    args: fc.dictionary(name, fc.string({ maxLength: 50 })),
  }),
  fc.record({
    type: fc.constant('verify' as const),
    release: fc.option(release),
    rateBps: fc.option(fc.nat()),
    repair: fc.boolean(),
  }),
  fc.constant({ type: 'end-job' as const }),
)
const servers = fc.array(
  fc.record({ nodeId: hex(32), name, host: fc.ipV4(), port: fc.integer({ min: 1, max: 65535 }) }),
  { maxLength: 9 },
)
const words: fc.Arbitrary<Word> = fc
  .record({
    coordinatorId: hex(32),
    coordinatorUrl: fc.option(fc.webUrl({ size: 'small' })),
    site: name,
    jobId: hex(26),
    servers,
    decided: fc.array(decided, { maxLength: 6 }),
    target: fc.option(
      fc.record({ release, treeHash: hex(64), jobId: hex(26), number: fc.integer({ min: 1, max: 9 }) }),
    ),
    ended: fc.boolean(),
  })
  .map(({ decided: all, target, ...rest }) => ({
    ...rest,
    revision: all.length + 1,
    commands: all.map((command, at) => ({ number: at + 1, revision: at + 1, command })),
    target: target === null ? null : { ...target, command: 'commit' as const, revision: 1 },
  }))

t.test('what is signed comes through JSON and its schema as it was, still signed', async () => {
  fc.assert(
    fc.property(words, (word) => {
      const read = wordSchema.parse(JSON.parse(JSON.stringify(signWord(word, wordSigner))))
      return isWordSigned(read, wordSigner.publicKey)
    }),
  )
})

t.test('a word in which anything was changed is not signed, and another key signs nothing', async (t) => {
  const target = {
    release: 2,
    treeHash: 'a'.repeat(64),
    jobId: 'j',
    number: 2,
    command: 'commit',
    revision: 3,
  } as const
  const word = wordOf(4, { commands: [hookCommand(3, 4)], target })
  t.ok(isWordSigned(word, wordSigner.publicKey))
  const changes: readonly Partial<Word>[] = [
    { coordinatorId: 'e'.repeat(32) },
    { coordinatorUrl: 'http://elsewhere:7400' },
    { site: 'other' },
    { jobId: 'k' },
    { revision: 5 },
    { servers: word.servers.slice(1) },
    { servers: [serverOf(9), ...word.servers.slice(1)] },
    { commands: [] },
    { commands: [hookCommand(4, 4)] },
    { commands: [{ number: 3, revision: 4, command: { type: 'run-hook', hook: 'reload', args: { a: '1' } } }] },
    { target: null },
    { target: { ...target, release: 1 } },
    { target: { ...target, command: 'rollback' } },
    { ended: true },
  ]
  for (const change of changes) {
    t.not(isWordSigned({ ...word, ...change }, wordSigner.publicKey), true, JSON.stringify(Object.keys(change)))
  }
  t.not(isWordSigned(word, new Signer(Buffer.alloc(32, 1)).publicKey), true)
  t.not(serversDigest(word.servers), serversDigest([...word.servers].reverse()), 'order is meant')
  t.equal(indexIn(word, serverOf(2).nodeId), 1)
  t.equal(indexIn(word, 'f'.repeat(32)), -1)
})

t.test('what is no word is refused', async (t) => {
  const word = wordOf(4, { commands: [hookCommand(2, 3), hookCommand(3, 4)] })
  t.ok(wordSchema.safeParse(word).success)
  const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)
  const bad: readonly Record<string, unknown>[] = [
    { revision: 0 },
    { revision: 3 },
    { revision: 1.5 },
    { commands: [hookCommand(2, 4), hookCommand(3, 4)] },
    { commands: [hookCommand(2, 4), hookCommand(3, 3)] },
    { commands: many(WORD_COMMANDS_MAX + 1, hookCommand(1, 1)) },
    { commands: [{ number: 1, revision: 1, command: { type: 'publish', directory: '/etc' } }] },
    { servers: many(WORD_SERVERS_MAX + 1, serverOf(1)) },
    { servers: [{ ...serverOf(1), host: 'example.org' }] },
    { servers: [{ ...serverOf(1), port: 0 }] },
    { site: '../up' },
    { signature: 'short' },
    { target: { release: 1, treeHash: 'a'.repeat(64), jobId: 'j', number: 1, command: 'commit', revision: 5 } },
  ]
  for (const change of bad) {
    t.not(wordSchema.safeParse({ ...word, ...change }).success, true, JSON.stringify(change).slice(0, 100))
  }
})

t.test('a talk is one of its requests and answers, or nothing', async (t) => {
  const word = wordOf(1)
  t.ok(talkRequest.safeParse({ say: 'push', word, indexes: [0, 511] }).success)
  t.ok(talkRequest.safeParse({ say: 'pull', have: { www: 3, other: 0 } }).success)
  t.ok(talkAnswer.safeParse({ say: 'word', word }).success)
  for (const bad of [
    { say: 'push', word },
    { say: 'push', word, indexes: [512] },
    { say: 'push', word, indexes: [-1] },
    { say: 'pull', have: { '../x': 1 } },
    { say: 'pull', have: { www: -1 } },
    { say: 'shout' },
    null,
    'push',
  ]) {
    t.not(talkRequest.safeParse(bad).success, true, JSON.stringify(bad)?.slice(0, 60))
  }
})
