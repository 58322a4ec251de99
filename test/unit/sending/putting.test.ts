// Goal: two who put the same file into the same site at once both succeed: it is one upload, which the first drops.
// Method: a coordinator that forgets the upload once, at each step.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { EngineError } from '../../../src/base/errors.js'
import type { UploadsClient } from '../../../src/control/uploads-client.js'
import { blake3 } from '../../../src/native/keys.js'
import { bringFile } from '../../../src/sending/putting.js'

const digest = blake3(Buffer.from('content'))
const gone = (): EngineError => new EngineError('ENGINE_ERR_UPLOAD_UNKNOWN', { uploadId: 'u' })

/** A coordinator that lacks the content; `forgets` is the step at which it knows no upload, so often. */
function forgetful(forgets: string, times: number) {
  const asked: string[] = []
  let left = times
  const ask = (step: string): void => {
    asked.push(step)
    if (step === forgets && left-- > 0) throw gone()
  }
  const uploads = {
    create: async () => {
      ask('create')
      return { id: 'u' }
    },
    missing: async function* () {
      ask('missing')
      yield { digest, sizeBytes: 7, haveBytes: 0 }
    },
    put: async () => {
      ask('put')
      return { digest, sizeBytes: 7, haveBytes: 7 }
    },
    complete: async () => ask('complete'),
    drop: async () => ask('drop'),
  } as unknown as UploadsClient
  return { asked, uploads }
}

const bring = async (t: { testdir(): string }, uploads: UploadsClient) => {
  const path = join(t.testdir(), 'a.txt')
  await writeFile(path, 'content', { mode: 0o600 })
  return bringFile(path, {
    ...{ uploads, site: 'www', clock: systemClock, signal: new AbortController().signal, onUpload: undefined },
  })
}

for (const step of ['missing', 'put', 'complete']) {
  t.test(`an upload that goes at ${step} is made again`, async (t) => {
    const { asked, uploads } = forgetful(step, 1)
    const { done, ...found } = await bring(t, uploads)
    t.match(found, { digest, sizeBytes: 7, mode: '600', mtimeNs: /^\d+$/ })
    t.equal(asked.filter((each) => each === 'create').length, 2)
    await done()
    t.equal(asked.at(-1), 'drop')
  })
}

t.test('one that goes again and again is told, not tried for ever', async (t) => {
  const { asked, uploads } = forgetful('complete', Number.POSITIVE_INFINITY)
  await t.rejects(bring(t, uploads), { code: 'ENGINE_ERR_UPLOAD_UNKNOWN' })
  t.equal(asked.filter((each) => each === 'create').length, 3)
})
