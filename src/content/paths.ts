import { join } from 'node:path'

/** Names of the coordinator's files: `assignments/<serial>.stream`, `.parcels`, `.vouch`, `work/<job>.tree`. */
const ownFile = /^(\d{1,16})\.(stream|parcels|vouch)$/

/** Where everything lies under a coordinator's data directory. */
export class ContentPaths {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  get sites(): string {
    return join(this.directory, 'sites')
  }

  get assignments(): string {
    return join(this.directory, 'assignments')
  }

  get work(): string {
    return join(this.directory, 'work')
  }

  site(site: string): string {
    return join(this.sites, site)
  }

  release(site: string, release: number): string {
    return join(this.site(site), 'releases', String(release))
  }

  tree(site: string, release: number): string {
    return join(this.site(site), 'trees', `${release}.tree`)
  }

  /** The manifest that the scan of a job writes. */
  scannedTree(jobId: string): string {
    return join(this.work, `${jobId}.tree`)
  }

  /** The manifest that the edits of a job make. */
  editedTree(jobId: string): string {
    return join(this.work, `${jobId}.edited.tree`)
  }

  /** Named by serial: no number is ever given twice, so nothing is renamed or written over. */
  stream(serial: number): string {
    return join(this.assignments, `${serial}.stream`)
  }

  vouches(serial: number): string {
    return join(this.assignments, `${serial}.vouch`)
  }
}

/** The serial number that a file of `assignments/` belongs to; null for what is not ours. Pure. */
export function serialOf(fileName: string): number | null {
  const digits = ownFile.exec(fileName)?.[1]
  return digits === undefined ? null : Number(digits)
}
