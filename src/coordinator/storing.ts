import type { Readable } from 'node:stream'
import type { FilePut } from '../control/door/files.js'
import { editRequests, openRequest } from '../control/requests.js'
import type { EditRequest } from '../model/edit.js'
import type { JobRequest, JobView } from '../model/job.js'
import { checkEdits } from '../native/uploads.js'
import type { World } from './world.js'

/**
 * Takes the bytes of a file in, and asks for the job that puts it. What cannot be is refused before a byte is read;
 * the bytes of a job that is refused, or that was over before under the same key, are not kept.
 * @throws {EngineError} as receiving a content does, and as asking for a job.
 */
export async function putFile(
  world: World,
  { site, path, mode, mtimeNs, parents, stageOnly, ...options }: FilePut,
  body: { readonly bytes: Readable; readonly check: () => void },
  createJob: (request: JobRequest) => Promise<JobView>,
): Promise<JobView> {
  const facts = { type: 'put', path, mode, mtimeNs, parents } as const
  checkEdits([{ ...facts, sizeBytes: 1, digest: '0'.repeat(64) }])
  const { digest, sizeBytes } = await world.uploads.putContent(site, body.bytes, body.check)
  const put: EditRequest = { ...facts, digest, sizeBytes }
  try {
    return await createJob(openRequest({ ...options, site, commands: editRequests([put], stageOnly) }))
  } finally {
    // What a job that runs puts stays: it is needed.
    await world.uploads.letGo(site, [digest])
  }
}
