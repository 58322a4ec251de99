/** What a name stands for; only files, directories and links are ever published. */
export const fileKinds = ['file', 'dir', 'link', 'fifo', 'socket', 'device', 'unknown'] as const
export type FileKind = (typeof fileKinds)[number]

/** An entry of a release as it is on a node's disk. */
export interface FileEntry {
  /** Its last name, %XX for what is not a plain character; of the release's own directory, empty. */
  readonly name: string
  readonly kind: FileKind
  /** Octal digits. */
  readonly mode: string
  readonly sizeBytes: number
  /** Nanoseconds since 1970, in decimal digits. */
  readonly mtimeNs: string
  /** What a link points to, escaped as the name. */
  readonly target: string | null
  /** Of one file that was asked for: BLAKE3 of what was published; null where it is not what the manifest says. */
  readonly digest: string | null
  /** Names what its bytes are while it is read; null for what has none, and in listings. */
  readonly version: string | null
}

/** What the bytes of a file are known by over HTTP, quotes and all. Pure. */
export const etagOf = ({ digest, version }: Pick<FileEntry, 'digest' | 'version'>): string =>
  `"${digest ?? version ?? ''}"`

/** What a node was asked of a path, and what it found. */
export interface FileView {
  readonly node: string
  readonly site: string
  /** The release that was looked at: the live one, unless another was asked for. */
  readonly release: number
  readonly entry: FileEntry
  /** A page of a directory, ascending by the bytes of the names; null when it was not asked for. */
  readonly entries: readonly FileEntry[] | null
  /** Name to ask for the next page with; null: that was all. */
  readonly next: string | null
}

/** Where to look: on which node, in which site's release (null: the live one), at which path below it. */
export interface FilePlace {
  readonly node: string
  readonly site: string
  readonly release: number | null
  /** %XX for any byte but NUL and the slash; empty: the release's own directory. */
  readonly path: string
}

/** Which names of a directory are wanted: those after `after`. */
export interface FilePaging {
  readonly after: string | null
  readonly limit: number
}

export interface FileLook extends FilePlace {
  /** Null: only the entry itself. */
  readonly list: FilePaging | null
}

/** Which bytes of a file are wanted, as `version` has them. */
export interface FileFetch extends FilePlace {
  readonly release: number
  readonly version: string
  readonly offset: number
  readonly lengthBytes: number
}
