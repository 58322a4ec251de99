// Goal: the guard rails hold exactly at their limits. Method: counts around them.
import t from 'tap'
import { checkGuards } from '../../../src/jobs/guard.js'

const policy = { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' } as const

function facts(filesDeleted: number, fileCount: number, liveFileCount: number) {
  const changes = { filesAdded: 0, filesChanged: 0, filesDeleted, fileCount, totalBytes: 0 }
  return { directory: '/srv/www', changes, liveFileCount, isCompared: true, filesNamed: null }
}

t.test('a quarter may go, one more may not', async (t) => {
  t.equal(checkGuards(facts(25, 75, 100), policy), null)
  t.match(checkGuards(facts(26, 74, 100), policy), {
    code: 'ENGINE_ERR_MASS_DELETE',
    message: /26 of 100 files, more than 25%/,
    exitCode: 10,
  })
})

t.test('a policy of all lets everything go', async (t) => {
  t.equal(checkGuards(facts(99, 1, 100), { ...policy, maxDeleteRatio: 1 }), null)
})

t.test('the first publish deletes nothing', async (t) => {
  t.equal(checkGuards(facts(0, 3, 0), policy), null)
  t.equal(checkGuards({ ...facts(0, 3, 0), isCompared: false }, policy), null)
})

t.test('what could not be compared has lost at least as many files as there are fewer', async (t) => {
  t.equal(checkGuards({ ...facts(0, 75, 100), isCompared: false }, policy), null)
  t.match(checkGuards({ ...facts(0, 74, 100), isCompared: false }, policy), { message: /26 of 100 files/ })
  t.equal(checkGuards({ ...facts(0, 101, 100), isCompared: false }, policy), null)
})

t.test('an empty directory needs to be meant, and then may delete all', async (t) => {
  t.match(checkGuards(facts(10, 0, 10), policy), { code: 'ENGINE_ERR_EMPTY_SOURCE', message: /\/srv\/www/ })
  t.equal(checkGuards(facts(10, 0, 10), { ...policy, allowEmpty: true }), null)
})
