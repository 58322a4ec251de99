// Uploads on a directory of their own, and manifests as a client writes them.
import { systemClock } from '../../src/base/clock.js'
import { silentLogger } from '../../src/base/log.js'
import { noMetrics } from '../../src/base/metrics.js'
import { blake3 } from '../../src/native/keys.js'
import { Uploads, type UploadsOptions } from '../../src/uploads/index.js'

/** Opens the room of uploads below `directory`; what a test does not say is generous. */
export const openRoom = (directory: string, options: Partial<UploadsOptions> = {}): Promise<Uploads> =>
  Uploads.open({
    directory,
    limits: { maxBytes: 2 ** 40, keepMs: 60_000, freeBytes: 0 },
    clock: systemClock,
    log: silentLogger,
    held: async () => [],
    metrics: noMetrics,
    jobsOf: () => [],
    isPinned: () => false,
    ...options,
  })

export const digestOf = (content: string | Uint8Array): string => blake3(Buffer.from(content))

/** One line of a manifest: a file with this content. */
export const fileLine = (path: string, content: string | Uint8Array): string =>
  JSON.stringify({
    path,
    kind: 'file',
    mtimeNs: '1700000000000000000',
    sizeBytes: Buffer.from(content).length,
    digest: digestOf(content),
  })

/** The manifest of files in the root. */
export const manifestOf = (files: Readonly<Record<string, string | Uint8Array>>): string =>
  Object.entries(files)
    .map(([path, content]) => fileLine(path, content))
    .join('\n')
