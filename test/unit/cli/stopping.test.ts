// Goal: a signal while content is sent ends it in order, and the exit code says which signal it was.
// Method: the commands against an API that sends until it is told to stop.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { EngineError } from '../../../src/base/errors.js'
import { publish } from '../../../src/cli/commands/publish.js'
import { put } from '../../../src/cli/commands/writing.js'
import type { CommandApi, Context } from '../../../src/cli/context.js'
import { createOutput } from '../../../src/cli/output.js'
import { stoppable } from '../../../src/cli/stopping.js'

function contextOf() {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = createOutput({
    ...{ json: false, quiet: false, color: false, progress: false, dumbTerminal: true, stdout, stderr },
  })
  const heard: ((code: number) => void)[] = []
  const sending = (_: unknown, ...more: readonly unknown[]) =>
    new Promise<never>((_resolve, reject) => {
      const { signal } = more.at(-1) as { signal: AbortSignal }
      signal.addEventListener('abort', () => reject(new EngineError('ENGINE_ERR_CANCELLED', { what: 'the upload' })))
      for (const each of heard) each(143)
    })
  const api = { publish: sending, publishContent: sending, putFile: sending, putContent: sending }
  const interrupts: Context['interrupts'] = {
    listen: (first) => {
      heard.push(first)
      return () => void heard.pop()
    },
  }
  const context: Context = { output, clock: systemClock, interrupts, connect: async () => api as unknown as CommandApi }
  return { context, heard, err: () => String(stderr.read() ?? '') }
}

t.test('what a request to end stops ends with 143, told once, and nobody listens any more', async (t) => {
  const { context, heard, err } = contextOf()
  t.equal(await publish(context, '.', { site: 'www', group: 'edge' }), 143)
  t.match(err(), /^error ENGINE_ERR_CANCELLED/)
  t.equal(await put(context, ['file', ':/www/a'], {}), 143)
  t.equal(heard.length, 0)
})

t.test('what fails by itself is an error, and what comes to its end is its value', async (t) => {
  const { context, heard } = contextOf()
  const failing = stoppable(context, () =>
    Promise.reject(new EngineError('ENGINE_ERR_CONFLICT', { what: 'a', why: 'b' })),
  )
  await t.rejects(failing, { code: 'ENGINE_ERR_CONFLICT' })
  t.same(await stoppable(context, async () => 1), { value: 1 })
  t.equal(heard.length, 0)
})
