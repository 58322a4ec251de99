// Goal: the node channel takes what the data plane takes, and nothing more.
// Method: orders at the bounds, and the bounds as the wire crate has them.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, HOOKS_MAX, STRAND_COUNT_MAX } from '../../../src/base/limits.js'
import { readHooks } from '../../../src/config/hooks.js'
import { faults, flows, hello, holdings, stage } from '../../../src/control/schema/channel.js'

function order(chunkBytes: number) {
  const plan = { strandCount: 1, parents: [[]], peers: [] }
  return {
    ...{
      type: 'stage',
      commandId: 'c',
      jobId: 'j',
      number: 1,
      site: 'www',
      release: 1,
      treeHash: 'b'.repeat(64),
      base: null,
    },
    ...{ assignment: { id: 'a'.repeat(32), serial: 1, chunkBytes }, plan },
  }
}

t.test('a chunk has a size that relays take', async (t) => {
  for (const bytes of [CHUNK_BYTES_MIN, 3 * CHUNK_BYTES_MIN, CHUNK_BYTES_MAX]) {
    t.equal(stage.safeParse(order(bytes)).success, true, `${bytes}`)
  }
  for (const bytes of [0, CHUNK_BYTES_MIN / 2, CHUNK_BYTES_MIN + 1, CHUNK_BYTES_MAX + CHUNK_BYTES_MIN, 1 << 24]) {
    t.equal(stage.safeParse(order(bytes)).success, false, `${bytes}`)
  }
})

t.test('bounds that both planes name are the same', async (t) => {
  const source = await readFile(new URL('../../../native/crates/wire/src/limits.rs', import.meta.url), 'utf8')
  const wire = (name: string): number =>
    (new RegExp(`pub const ${name}: u\\d+ = ([\\d *]+);`).exec(source)?.[1] ?? '')
      .split('*')
      .reduce((product, factor) => product * Number(factor), 1)
  t.same(['CHUNK_BYTES_MIN', 'CHUNK_BYTES_MAX', 'STRAND_COUNT_MAX'].map(wire), [
    CHUNK_BYTES_MIN,
    CHUNK_BYTES_MAX,
    STRAND_COUNT_MAX,
  ])
})

t.test('a node tells its hooks, and none that are too many, too long or no hooks', async (t) => {
  const declared = readHooks({
    purge: { command: ['p'], arguments: { a: { type: 'choice', choices: ['x'] }, b: { type: 'integer', default: 1 } } },
  })
  const told = declared.map(({ name, on, sites, repeatable, arguments: all }) => ({
    ...{ name, on, sites, repeatable, arguments: all },
  }))
  const node = { id: 'a'.repeat(32), name: 'n', groups: [], segment: 's', dataAddress: { host: '127.0.0.1', port: 1 } }
  const say = (hooks: unknown): boolean =>
    hello.safeParse({ type: 'hello', version: 1, role: 'node', software: 's', node, sites: [], hooks }).success
  t.ok(say(undefined), 'early nodes have none')
  t.ok(say(told))
  const [one] = told
  const argument = one?.arguments[0]
  const bad: readonly unknown[] = [
    ...[null, {}, 'x', [null], [{}], [{ ...one, name: '__proto__' }], [{ ...one, name: 'a b' }]],
    ...[[{ ...one, on: 'always' }], [{ ...one, sites: Array(1000).fill('www') }]],
    [{ ...one, arguments: Array(1000).fill(argument) }],
    [{ ...one, arguments: [{ ...argument, name: '__proto__' }] }],
    [{ ...one, arguments: [{ ...argument, pattern: 'x'.repeat(1_000_000) }] }],
    [{ ...one, arguments: [{ ...argument, choices: Array(1000).fill('x') }] }],
    [{ ...one, arguments: [{ ...argument, default: { toString: 1 } }] }],
    Array(HOOKS_MAX + 1).fill(one),
  ]
  for (const hooks of bad) t.notOk(say(hooks), JSON.stringify(hooks).slice(0, 80))
  const site = { site: 'www', live: null, held: [], trouble: 'x'.repeat(1_000_000) }
  t.notOk(holdings.safeParse({ type: 'holdings', sites: [site] }).success)
})

t.test('of whom a node serves each is told once, with figures that can be', async (t) => {
  const flow = { to: 'a'.repeat(32), rateBps: 1, busyRatio: 1 }
  const say = (...all: readonly unknown[]): boolean => flows.safeParse({ type: 'flows', flows: all }).success
  t.ok(say())
  t.ok(say(flow, { ...flow, to: 'b'.repeat(32) }))
  t.notOk(say(flow, flow), 'as if two served it')
  t.notOk(say(flow, { ...flow, rateBps: 2 }))
  for (const bad of [{ to: 'a' }, { rateBps: -1 }, { rateBps: 0.5 }, { busyRatio: 1.1 }, { busyRatio: Number.NaN }]) {
    t.notOk(say({ ...flow, ...bad }), JSON.stringify(bad))
  }
})

t.test('what peers did wrong is counted in whole numbers that can be', async (t) => {
  const say = (said: object): boolean =>
    faults.safeParse({ type: 'faults', corruptChunks: 1, faultyLinks: 1, ...said }).success
  t.ok(say({}))
  for (const bad of [-1, 0.5, '1', null, Number.MAX_VALUE]) t.notOk(say({ corruptChunks: bad }), String(bad))
  t.notOk(say({ faultyLinks: undefined }))
})
