import type { EditRequest } from '../model/edit.js'
import type { BlobView } from '../model/upload.js'
import type { EditOptions, FileEdits, SitePath } from './door/files.js'
import type { Job, OpenOptions } from './door/jobs.js'
import { editRequests } from './requests.js'

export interface Editing {
  openJob(options: OpenOptions): Promise<Job>
  /** Brings a content to the coordinator. */
  store(site: string, content: Blob | ReadableStream, signal?: AbortSignal): Promise<BlobView>
}

/** Changing single paths of a site, made of jobs. */
export function editsOf(editing: Editing): FileEdits {
  const edit: FileEdits['edit'] = (site, edits, { stageOnly, ...options } = {}) =>
    editing.openJob({ ...options, site, commands: editRequests(edits, stageOnly) })
  const one = ({ site }: SitePath, request: EditRequest, options: EditOptions): Promise<Job> =>
    edit(site, [request], options)
  return {
    edit,
    async put(place, content, { mode = null, mtimeNs = null, parents = false, ...options } = {}) {
      const { digest, sizeBytes } = await editing.store(place.site, content, options.signal)
      return one(place, { type: 'put', path: place.path, digest, sizeBytes, mode, mtimeNs, parents }, options)
    },
    mkdir: (place, { mode = null, parents = false, ...options } = {}) =>
      one(place, { type: 'mkdir', path: place.path, mode, parents }, options),
    chmod: (place, mode, options = {}) =>
      one(place, { type: 'set-properties', path: place.path, mode, mtimeNs: null, create: false }, options),
    touch: (place, { mtimeNs, create = true, ...options }) =>
      one(place, { type: 'set-properties', path: place.path, mode: null, mtimeNs, create }, options),
    remove: (place, { recursive = false, ...options } = {}) =>
      one(place, { type: 'remove', path: place.path, recursive }, options),
  }
}
