import { z } from 'zod'
import type { VersionView } from '../door.js'
import { count, identity, named, publicKey } from './registry.js'

export const versionView: z.ZodType<VersionView> = named(
  'Version',
  z.object({
    name: z.string(),
    version: z.string(),
    apiVersion: count,
    channelVersion: count,
    coordinatorId: identity,
    publicKey: publicKey.describe('ed25519; signs assignments and the audit log.'),
  }),
)

/** Answer of the health checks. */
export const health: z.ZodType<{ readonly ok: boolean }> = named('Health', z.object({ ok: z.boolean() }))
