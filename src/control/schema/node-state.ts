import { z } from 'zod'
import { ID_CHARS_MAX } from '../../base/limits.js'
import { commandStates, commandTypes } from '../../model/job.js'
import type { NodeStateView } from '../../model/node-state.js'
import { nodeSite } from './node.js'
import { count, identity, name, named, timeMs } from './registry.js'

export const nodeStateView: z.ZodType<NodeStateView> = named(
  'NodeState',
  z.object({
    nodeId: identity,
    name,
    atMs: timeMs,
    tookMs: count.describe('Time until its answer.'),
    commands: z
      .array(
        z.object({
          jobId: z.string().max(ID_CHARS_MAX),
          site: name,
          number: count.describe('Of the command in its job.'),
          type: z.enum(commandTypes),
          state: z.enum(commandStates),
          bytesHave: count.describe('Bytes of what it fetches that it has.'),
          via: name.optional().describe('The node that brought it; absent: the coordinator.'),
        }),
      )
      .describe('Every command of every running job that it is part of.'),
    sites: z.array(nodeSite),
  }),
)

/** `{name}` in a path. */
export const nodeParams: z.ZodType<{ readonly name: string }> = z.strictObject({ name })
