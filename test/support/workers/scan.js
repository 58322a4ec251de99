import { performTask } from '../../../dist/workers/tasks.js'

/** A scan that has no end: only its stop flag ends it. Counts its rounds, as an answer to being stopped. */
export default function endlessScan(request) {
  return performTask(request, (_, update) => {
    let files = 0
    while (update({ files, bytes: 0 })) {
      files += 1
      // A pause, so that the listener is not buried in news.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
    throw Object.assign(new Error('stopped as asked'), { code: 'ENGINE_ERR_CANCELLED' })
  })
}
