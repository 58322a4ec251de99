import { EngineError } from '../../base/errors.js'
import { formatBytes, formatCount, formatDuration } from '../../base/quantities.js'
import type { Held, UploadsClient } from '../../control/uploads-client.js'
import type { LooseView, UploadView } from '../../model/upload.js'
import type { Context } from '../context.js'
import { printable, table } from '../output.js'

async function uploadsOf(context: Context): Promise<Pick<UploadsClient, 'held' | 'drop' | 'dropLoose'>> {
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

export interface RemoveFlags {
  readonly loose?: boolean
  readonly site?: string
}

/**
 * `engine uploads rm ID…`: they are forgotten, with what no other upload and no job needs of them.
 * `engine uploads rm --loose`: contents that no upload names go, those of one site or of all.
 */
export async function remove(
  context: Context,
  ids: readonly string[],
  { loose = false, site }: RemoveFlags,
): Promise<number> {
  if (loose !== (ids.length === 0) || (site !== undefined && !loose)) {
    const why = 'name uploads, or say --loose (of one site: --site NAME)'
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'uploads rm', why })
  }
  const { output } = context
  const uploads = await uploadsOf(context)
  if (loose) return removeLoose(context, uploads, site)
  for (const id of ids) {
    await uploads.drop(id)
    if (output.json) output.data({ type: 'result', status: 'success', uploadId: id })
    else output.print(printable(`upload ${id} is dropped`))
  }
  return 0
}

async function removeLoose(
  { output }: Context,
  uploads: Pick<UploadsClient, 'held' | 'dropLoose'>,
  only: string | undefined,
): Promise<number> {
  const sites = only === undefined ? (await uploads.held()).loose.map(({ site }) => site) : [only]
  const gone: LooseView[] = []
  for (const site of sites) gone.push(await uploads.dropLoose(site))
  const contentCount = gone.reduce((sum, each) => sum + each.contentCount, 0)
  const totalBytes = gone.reduce((sum, each) => sum + each.totalBytes, 0)
  if (output.json) output.data({ type: 'result', status: 'success', contentCount, totalBytes, sites: gone })
  else output.print(`${formatCount(contentCount, 'content')} of no upload dropped, ${formatBytes(totalBytes)}`)
  return 0
}
