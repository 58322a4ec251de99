// Goal: a word that a node has answered is there after a power cut, whole. Method: word-cuts.ts, on a real ext4; the
// same without the sync of files and directories must be found out.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compileMishap } from '../support/mishap.js'
import { start } from '../support/process.js'

const script = fileURLToPath(new URL('word-cuts.ts', import.meta.url))

async function cutWords(cuts: number, under: readonly string[] = []) {
  const own = ['-m', '--propagation', 'private', ...under, process.execPath, '--import', 'tsx', script]
  const { code, stdout, stderr } = await start('unshare', [...own, '--cuts', String(cuts)]).exited
  const lines = stdout.trim().split('\n')
  const last = JSON.parse(lines.at(-1) || '{}') as { cuts?: number; faults?: readonly string[] }
  const kept = lines.slice(0, -1).flatMap((line) => (JSON.parse(line) as { answered: number[] }).answered)
  return { code, stderr, kept, ...last }
}

t.test('25 power cuts lose no word that was answered and leave none torn', { timeout: 600_000 }, async (t) => {
  const { code, faults, cuts, kept, stderr } = await cutWords(25)
  t.same(faults, [], stderr)
  t.match({ code, cuts }, { code: 0, cuts: 25 })
  t.ok(kept.filter((count) => count > 1).length > 25, `${kept.join(' ')} words were kept before the cuts`)
})

t.test('a node that syncs nothing is found out', { timeout: 600_000 }, async (t) => {
  const { code, faults, stderr } = await cutWords(5, [await compileMishap(t.testdir()), 'skip', 'fsync'])
  t.equal(code, 1, stderr)
  t.match(faults?.join('\n'), /was answered/)
})
