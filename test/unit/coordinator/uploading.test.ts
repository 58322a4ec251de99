// Goal: when a job is over, uploads and contents that it has used go, and those that it has not come to stay.
// Method: by hand, what would be let go.
import t from 'tap'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { releaseUpload } from '../../../src/coordinator/uploading.js'
import type { World } from '../../../src/coordinator/world.js'
import type { CommandRequest, JobState } from '../../../src/model/job.js'
import { jobCommands, jobRecord } from '../../support/records.js'

const put = (digest: string): CommandRequest => {
  return { type: 'put', path: digest, digest, sizeBytes: 1, mode: null, mtimeNs: null, parents: false }
}
const requests: readonly CommandRequest[] = [
  { type: 'publish', directory: '/uploads/a', upload: 'a' },
  { type: 'commit' },
  put('1'),
  { type: 'commit' },
  { type: 'publish', directory: '/uploads/b', upload: 'b' },
  { type: 'publish', directory: '/elsewhere', upload: null },
  put('2'),
]

async function released(state: JobState, done: number): Promise<readonly string[]> {
  const gone: string[] = []
  const uploads = {
    owns: (directory: string) => directory.startsWith('/uploads/'),
    release: async (directory: string) => void gone.push(directory),
    letGo: async (site: string, digests: readonly string[]) =>
      void gone.push(...digests.map((each) => `${site} ${each}`)),
  }
  const job = new LiveJob(jobRecord({ state }), { commands: jobCommands(requests, done), parts: [] }, 0)
  await releaseUpload({ uploads } as unknown as World, job)
  return gone
}

t.test('what was carried out needs its upload no more; what the job did not come to is kept', async (t) => {
  t.same(await released('succeeded', 7), ['/uploads/a', '/uploads/b', 'www 1', 'www 2'])
  t.same(await released('partial', 4), ['/uploads/a', 'www 1'])
  for (const state of ['failed', 'aborted'] as const) t.same(await released(state, 4), [], state)
})
