// Goal: after a power cut of a node's disk, readers see one whole release, and what is on record as done is done.
// Method: power-cuts.ts, on a real ext4; the same with calls of the node that do nothing must be found out.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { start } from '../support/process.js'

const script = fileURLToPath(new URL('power-cuts.ts', import.meta.url))

const cuts = async (...args: readonly string[]) => {
  const own = ['-m', '--propagation', 'private', process.execPath, '--import', 'tsx', script, ...args]
  const { code, stdout, stderr } = await start('unshare', own).exited
  const last = JSON.parse(stdout.trim().split('\n').at(-1) || '{}') as { cuts?: number; faults?: readonly string[] }
  return { code, stderr, ...last }
}

t.test(
  'twenty power cuts lose nothing that was acknowledged and leave nothing torn',
  { timeout: 600_000 },
  async (t) => {
    const { code, faults, cuts: done, stderr } = await cuts('--cuts', '20')
    t.same(faults, [], stderr)
    t.match({ code, done }, { code: 0, done: 20 })
  },
)

t.test('a node whose syncfs does nothing is found out', { timeout: 600_000 }, async (t) => {
  const { code, faults, stderr } = await cuts('--cuts', '4', '--moment', 'live', '--without', 'syncfs')
  t.equal(code, 1, stderr)
  t.match(faults?.join('\n'), /files are empty[^]*is on record as live/)
})

t.test('a node that syncs nothing at all is found out', { timeout: 600_000 }, async (t) => {
  const { code, faults, stderr } = await cuts('--cuts', '4', '--moment', 'live', '--without', 'syncfs,fsync,fdatasync')
  t.equal(code, 1, stderr)
  t.match(faults?.join('\n'), /is on record as live/)
})
