import { FILE_PAGE_MAX } from '../base/file-limits.js'
import type { FileEntry, FileLook, FileView } from '../model/file.js'
import type { FileAt, FilesApi } from './door/files.js'
import { type Editing, editsOf } from './file-edits.js'

const lookOf = ({ node, site, release = null, path = '' }: FileAt): FileLook => {
  return { node, site, release, path, list: null }
}

/** Looking, made of single questions; changing, made of jobs. */
export function filesOf(look: (asked: FileLook) => Promise<FileView>, editing: Editing): FilesApi {
  async function* list(place: FileAt): AsyncGenerator<FileEntry> {
    let asked: FileLook = { ...lookOf(place), list: { after: null, limit: FILE_PAGE_MAX } }
    for (;;) {
      const { release, entry, entries, next } = await look(asked)
      yield* entries ?? [entry]
      if (next === null) return
      // A switch in between must not mix two releases.
      asked = { ...asked, release, list: { after: next, limit: FILE_PAGE_MAX } }
    }
  }
  return { stat: (place) => look(lookOf(place)), list, ...editsOf(editing) }
}
