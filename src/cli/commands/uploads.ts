import { EngineError } from '../../base/errors.js'
import { formatBytes, formatCount, formatDuration } from '../../base/quantities.js'
import type { Held, UploadsClient } from '../../control/uploads-client.js'
import type { UploadView } from '../../model/upload.js'
import type { Context } from '../context.js'
import { printable, table } from '../output.js'

async function uploadsOf(context: Context): Promise<Pick<UploadsClient, 'held' | 'drop'>> {
  const { uploads } = await context.connect()
  if (uploads === undefined) throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'this client knows no uploads' })
  return uploads
}

const row = (upload: UploadView, nowMs: number): string[] => [
  ...[upload.id, upload.site, upload.state, String(upload.fileCount), formatBytes(upload.totalBytes)],
  upload.missingCount === 0
    ? ''
    : `${formatBytes(upload.missingBytes)} in ${formatCount(upload.missingCount, 'content')}`,
  ...[nowMs - upload.openedAtMs, nowMs - upload.touchedAtMs, upload.expiresAtMs - nowMs].map((ms) =>
    formatDuration(Math.max(0, ms)),
  ),
  upload.jobIds.join(' '),
]

/** `engine uploads ls`: what the coordinator holds that is not published. */
export async function list(context: Context): Promise<number> {
  const { output, clock } = context
  const held: Held = await (await uploadsOf(context)).held()
  const { items, loose } = held
  if (output.json) {
    output.data(held)
    return 0
  }
  if (items.length === 0) output.note('no uploads')
  else {
    const head = ['UPLOAD', 'SITE', 'STATE', 'FILES', 'BYTES', 'MISSING', 'AGE', 'IDLE', 'GOES IN', 'JOBS']
    const rows = items.map((upload) => row(upload, clock.nowMs()))
    for (const line of table(head, rows, output.dataColumns)) output.print(printable(line))
  }
  for (const { site, contentCount, totalBytes } of loose) {
    const what = formatCount(contentCount, 'content')
    output.print(printable(`${site}: ${what} of no upload, ${formatBytes(totalBytes)}`))
  }
  return 0
}

/** `engine uploads rm ID…`: they are forgotten, with what no other upload and no job needs of them. */
export async function remove(context: Context, ids: readonly string[]): Promise<number> {
  const { output } = context
  const uploads = await uploadsOf(context)
  for (const id of ids) {
    await uploads.drop(id)
    if (output.json) output.data({ type: 'result', status: 'success', uploadId: id })
    else output.print(printable(`upload ${id} is dropped`))
  }
  return 0
}
