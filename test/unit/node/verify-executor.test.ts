// Goal: a verification that is a command of a job ends as it should be told, and its output fits and is whole JSON.
import t from 'tap'
import { OUTPUT_CHARS_MAX } from '../../../src/base/limits.js'
import type { Verification } from '../../../src/model/verification.js'
import { outputOf, verifyExecutor } from '../../../src/node/verify-executor.js'

const clean: Verification = {
  ...{ site: 'www', release: 3, treeHash: 'a'.repeat(64), files: 2, bytes: 9, mismatches: 0, findings: [] },
  ...{ linkIsRight: true, alsoDamaged: [], mended: 'none' },
}
const damaged: Verification = {
  ...clean,
  mismatches: 4,
  findings: [
    { path: 'a', kind: 'content' },
    { path: 'b', kind: 'missing' },
  ],
}
const order = {
  ...{ jobId: 'j', number: 1, site: 'www' },
  command: { type: 'verify', release: null, rateBps: 7, repair: true },
} as const
const run = (found: Verification) => {
  const asked: unknown[] = []
  const verify = async (request: unknown): Promise<Verification> => {
    asked.push(request)
    return found
  }
  return { asked, done: verifyExecutor({ verify }, 'ams-1').run(order, new AbortController().signal) }
}

t.test('what is well, or was mended, is done, and says what was read', async (t) => {
  const { asked, done } = run(clean)
  t.strictSame(await done, { output: JSON.stringify(clean), error: null })
  t.strictSame(asked, [{ site: 'www', release: null, rateBps: 7, repair: true }])
  t.equal((await run({ ...damaged, mended: 'restaged' }).done).error, null)
})

t.test('damage is a failure that names the node and what differs, with the way out', async (t) => {
  const { error, output } = await run(damaged).done
  t.equal(error?.code, 'ENGINE_ERR_DRIFT')
  t.equal(error?.message, 'www@3 on ams-1 is not what was staged: 4 entries differ (a content, b missing, …)')
  t.match(error?.hint, 'engine verify --site www --node ams-1 --repair')
  t.match(JSON.parse(output ?? ''), { mismatches: 4 })
  const moved = await run({ ...clean, linkIsRight: false }).done
  t.match(moved.error?.message, /its link pointed elsewhere/)
})

t.test('of many long findings as many are kept as fit, and all are counted', async (t) => {
  const findings = Array.from({ length: 100 }, (_, i) => ({
    path: `${i}${'\u0001'.repeat(499)}`,
    kind: 'extra' as const,
  }))
  const text = outputOf({ ...damaged, mismatches: 100, findings })
  t.ok(text.length <= OUTPUT_CHARS_MAX)
  const kept = JSON.parse(text) as Verification
  t.equal(kept.mismatches, 100)
  t.ok(kept.findings.length > 1 && kept.findings.length < 100)
})

t.test('one that a crash cut off may be begun again', async (t) => {
  t.ok(verifyExecutor({ verify: async () => clean }, 'ams-1').mayRepeat(order))
})
