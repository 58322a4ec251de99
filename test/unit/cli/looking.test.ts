// Goal: what `engine get`, `stat` and `uploads rm` are told is what is asked, or is refused before anything is.
// Method: the commands against an API that remembers.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { get, stat } from '../../../src/cli/commands/files.js'
import { remove } from '../../../src/cli/commands/uploads.js'
import type { CommandApi, Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import type { NodeView } from '../../../src/model/node.js'

const invalid = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }

function contextOf(api: object, json = false) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = createOutput({
    ...{ json, quiet: false, color: false, progress: false, dumbTerminal: true, stdout, stderr },
  })
  let connects = 0
  const context = {
    output,
    clock: systemClock,
    interrupts: { listen: () => () => {} },
    connect: async () => {
      connects += 1
      return api as CommandApi
    },
  } satisfies Context
  return { context, out: () => String(stdout.read() ?? ''), connects: () => connects }
}

const node = (name: string, held: readonly number[]): NodeView =>
  ({
    name,
    online: true,
    sites: [{ site: 'www', live: { release: 3 }, held: held.map((release) => ({ release })) }],
  }) as unknown as NodeView

t.test('on whichever node means one that has the release', async (t) => {
  const asked: string[] = []
  const api = {
    nodes: async () => [node('n1', [3]), node('n2', [2, 3])],
    files: {
      stat: async ({ node: name }: { node: string }) => {
        asked.push(name)
        throw new Error('seen')
      },
    },
  }
  const { context } = contextOf(api)
  for (const place of [':/www/a', ':/www@2/a', 'n1:/www@2/a']) await t.rejects(stat(context, place), /seen/)
  t.strictSame(asked, ['n1', 'n2', 'n1'])
  await t.rejects(stat(context, ':/www@9/a'), { ...invalid, message: /has www@9/ })
})

t.test('a directory does not come on standard output, nor bytes between lines of JSON', async (t) => {
  const { context, connects } = contextOf({})
  await t.rejects(get(context, [':/www', '-'], { recursive: true }), invalid)
  await t.rejects(get(contextOf({}, true).context, [':/www/a', '-'], {}), invalid)
  t.equal(connects(), 0)
})

t.test('a reader that has enough ends it without a word, and any other trouble is told', async (t) => {
  let given = 0
  const api = {
    files: { stat: async () => ({}) },
    bytes: async function* () {
      for (; ; given++) yield Buffer.from('x')
    },
  }
  const failing = (code: string): Context => ({
    ...contextOf(api).context,
    write: () => Promise.reject(Object.assign(new Error('write'), { code })),
  })
  t.equal(await get(failing('EPIPE'), ['n1:/www/a', '-'], {}), 0)
  t.equal(given, 0, 'nothing more is fetched')
  await t.rejects(get(failing('ENOSPC'), ['n1:/www/a', '-'], {}), { code: 'ENOSPC' })
})

t.test('uploads are dropped by name, and loose contents by site or all of them', async (t) => {
  const done: string[] = []
  const uploads = {
    held: async () => ({ items: [], loose: [{ site: 'docs' }, { site: 'www' }] }),
    drop: async (id: string) => void done.push(id),
    dropLoose: async (site: string) => {
      done.push(site)
      return { site, contentCount: 2, totalBytes: 10 }
    },
  }
  const { context, out } = contextOf({ uploads })
  t.equal(await remove(context, ['a', 'b'], {}), 0)
  t.equal(await remove(context, [], { loose: true }), 0)
  t.match(out(), /4 contents of no upload dropped, 20 B\n$/)
  const { context: inJson, out: json } = contextOf({ uploads }, true)
  t.equal(await remove(inJson, [], { loose: true, site: 'www' }), 0)
  t.match(JSON.parse(json()), { type: 'result', status: 'success', contentCount: 2, sites: [{ site: 'www' }] })
  t.strictSame(done, ['a', 'b', 'docs', 'www', 'www'])
  for (const [ids, flags] of [
    [[], {}],
    [['a'], { loose: true }],
    [['a'], { site: 'www' }],
  ] as const)
    await t.rejects(remove(context, ids, flags), invalid)
})
