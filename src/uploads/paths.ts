import { join } from 'node:path'

const ownUpload = /^([0-9a-f]{32})\.tree$/
const ownDigest = /^[0-9a-f]{64}$/
const ownPart = /^([0-9a-f]{32})-([0-9a-f]{64})$/

/**
 * Where uploads lie: `<directory>/<site>/blobs/<digest>` whole contents, `parts/<upload>-<digest>` those that still
 * arrive, `open/<upload>.tree|wanted|complete` what each upload is, `incoming/` what has no name yet.
 */
export class UploadPaths {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** The start of the system that the files below were last written under. */
  get boot(): string {
    return join(this.directory, '.boot')
  }

  site(site: string): string {
    return join(this.directory, site)
  }

  /** The folders of a site. */
  folders(site: string): readonly string[] {
    return ['blobs', 'parts', 'open', 'incoming'].map((name) => join(this.site(site), name))
  }

  blobs(site: string): string {
    return join(this.site(site), 'blobs')
  }

  blob(site: string, digest: string): string {
    return join(this.blobs(site), digest)
  }

  parts(site: string): string {
    return join(this.site(site), 'parts')
  }

  part(site: string, id: string, digest: string): string {
    return join(this.parts(site), `${id}-${digest}`)
  }

  open(site: string): string {
    return join(this.site(site), 'open')
  }

  /** What a job of this upload has as its directory; nothing stands there. */
  upload(site: string, id: string): string {
    return join(this.open(site), id)
  }

  tree(site: string, id: string): string {
    return `${this.upload(site, id)}.tree`
  }

  wanted(site: string, id: string): string {
    return `${this.upload(site, id)}.wanted`
  }

  complete(site: string, id: string): string {
    return `${this.upload(site, id)}.complete`
  }

  incoming(site: string, name: string): string {
    return join(this.site(site), 'incoming', name)
  }
}

/** The upload that a file of `open/` describes; null for any other name. Pure. */
export const uploadOf = (name: string): string | null => ownUpload.exec(name)?.[1] ?? null

/** Whether a name of `blobs/` is ours. Pure. */
export const isDigest = (name: string): boolean => ownDigest.test(name)

/** Upload and digest of a file of `parts/`; null for any other name. Pure. */
export function partOf(name: string): { readonly id: string; readonly digest: string } | null {
  const [, id, digest] = ownPart.exec(name) ?? []
  return id === undefined || digest === undefined ? null : { id, digest }
}
