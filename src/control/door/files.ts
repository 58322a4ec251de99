// In: nothing; these are words. Out: what is asked of files: looking at those of nodes, changing those of sites.
// Never: code that runs.
import type { Readable } from 'node:stream'
import type { EditRequest } from '../../model/edit.js'
import type { FileEntry, FileFetch, FileLook, FilePlace, FileView } from '../../model/file.js'
import type { PublishOptions, Job } from './jobs.js'

/** What routes ask of files on nodes; ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST, and what the node answers. */
export interface FilesDoor {
  look(look: FileLook, signal?: AbortSignal): Promise<FileView>
  /** Bytes of a file, as the node sends them; nothing is read from it while nobody reads. */
  fetch(fetch: FileFetch, signal?: AbortSignal): Promise<Readable>
  /** A node brings what `fetch` waits for. @throws {EngineError} ENGINE_ERR_TRANSFER_UNKNOWN: nobody does. */
  receive(transferId: string, body: Readable): Promise<void>
}

/** Looking at what nodes have on disk, and changing what they serve, here or over HTTP. */
export interface FilesApi extends FileEdits {
  /** What a path of a release on a node is. */
  stat(place: FileAt): Promise<FileView>
  /** A directory, ascending by the bytes of the names; all pages are of one release. */
  list(place: FileAt): AsyncIterable<FileEntry>
}

/** Where to look; without a release at the live one, without a path at the release's own directory. */
export type FileAt = Pick<FilePlace, 'node' | 'site'> & Partial<Pick<FilePlace, 'release' | 'path'>>

/** A path of a site, on all nodes that serve it; %XX is a byte. */
export interface SitePath {
  readonly site: string
  readonly path: string
}

/** What an edit may say beside what it changes. */
export type EditOptions = Omit<PublishOptions, 'site'>

/** What a file is put with; null: as `EditRequest` says. */
export interface PutOptions extends EditOptions {
  readonly mode?: string | null
  readonly mtimeNs?: string | null
  readonly parents?: boolean
}

/** A file to put, without its bytes. */
export interface FilePut extends SitePath, Pick<EditOptions, 'group' | 'reason' | 'stageOnly'> {
  readonly mode: string | null
  readonly mtimeNs: string | null
  readonly parents: boolean
}

/** Changing single paths of a site. Each is a job: followed, it ends as a publish does. */
export interface FileEdits {
  /** Several changes, in their order, as one release. */
  edit(site: string, edits: readonly EditRequest[], options?: EditOptions): Promise<Job>
  put(place: SitePath, content: Blob | ReadableStream, options?: PutOptions): Promise<Job>
  mkdir(place: SitePath, options?: EditOptions & { readonly mode?: string; readonly parents?: boolean }): Promise<Job>
  /** @param mode octal digits. */
  chmod(place: SitePath, mode: string, options?: EditOptions): Promise<Job>
  /** An empty file is made where nothing is, unless `create` is false. */
  touch(place: SitePath, options: EditOptions & { readonly mtimeNs: string; readonly create?: boolean }): Promise<Job>
  remove(place: SitePath, options?: EditOptions & { readonly recursive?: boolean }): Promise<Job>
}
