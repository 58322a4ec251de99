import { join } from 'node:path'

/** Files of an assignment: `<id>.stream`, the directory `<id>.parcels` beside it, `<id>.vouch`. */
const assignmentFile = /^([0-9a-f]{32})\.(?:stream|parcels|vouch)$/

/** The assignment that a file of `assignments/` belongs to; null for what is not ours. Pure. */
export function assignmentOf(fileName: string): string | null {
  return assignmentFile.exec(fileName)?.[1] ?? null
}

/** The release that a directory of `releases/` is named after; null for what is not one. Pure. */
export function releaseOf(directoryName: string): number | null {
  const release = Number(directoryName)
  return Number.isSafeInteger(release) && release > 0 && String(release) === directoryName ? release : null
}

/** Where everything lies under a node's data directory. */
export class NodePaths {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  get identity(): string {
    return join(this.directory, 'identity.json')
  }

  get key(): string {
    return join(this.directory, 'key.json')
  }

  get journal(): string {
    return join(this.directory, 'journal')
  }

  get assignments(): string {
    return join(this.directory, 'assignments')
  }

  get sites(): string {
    return join(this.directory, 'sites')
  }

  /** What was decided, as others may want to know it: a file a site. */
  get words(): string {
    return join(this.directory, 'words')
  }

  site(site: string): string {
    return join(this.sites, site)
  }

  /** The link that readers follow. */
  live(site: string): string {
    return join(this.site(site), 'live')
  }

  releases(site: string): string {
    return join(this.site(site), 'releases')
  }

  release(site: string, release: number): string {
    return join(this.releases(site), String(release))
  }

  trees(site: string): string {
    return join(this.site(site), 'trees')
  }

  tree(site: string, release: number): string {
    return join(this.trees(site), `${release}.tree`)
  }

  stream(assignmentId: string): string {
    return join(this.assignments, `${assignmentId}.stream`)
  }

  vouches(assignmentId: string): string {
    return join(this.assignments, `${assignmentId}.vouch`)
  }
}
