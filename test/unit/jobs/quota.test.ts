import t from 'tap'
import { checkJobsQuota, checkReleaseQuota } from '../../../src/jobs/quota.js'

const quotas = { jobs: 2, releaseBytes: 100 }

t.test('as many jobs as the quota says, and not one more', (t) => {
  t.doesNotThrow(() => checkJobsQuota(quotas, 1))
  t.throws(() => checkJobsQuota(quotas, 2), { code: 'ENGINE_ERR_QUOTA', exitCode: 10, message: /jobs.*2/ })
  t.end()
})

t.test('a release as large as the quota says, and not a byte more; without a quota any', (t) => {
  t.doesNotThrow(() => checkReleaseQuota(quotas, 100))
  t.throws(() => checkReleaseQuota(quotas, 101), { code: 'ENGINE_ERR_QUOTA', hint: /quotas\.releaseBytes/ })
  t.doesNotThrow(() => checkReleaseQuota({ ...quotas, releaseBytes: null }, Number.MAX_SAFE_INTEGER))
  t.end()
})
