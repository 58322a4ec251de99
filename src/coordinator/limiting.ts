import { QUERY_ANSWER_MS } from '../base/ending-limits.js'
import { EngineError } from '../base/errors.js'
import { limitRequest } from '../control/schema/limit.js'
import { COORDINATOR_NAME, type LimitView } from '../model/bandwidth.js'
import { checked } from './accepting.js'
import type { KnownNode } from './roster.js'
import type { World } from './world.js'

/** How fast relays may send: the coordinator's own, and those of nodes that are there and have said. */
export function limitViews({ rateLimit, roster }: World): readonly LimitView[] {
  const nodes = roster.all.flatMap(({ identity, limit }) => (limit === null ? [] : [{ name: identity.name, ...limit }]))
  return [{ name: COORDINATOR_NAME, ...rateLimit.view }, ...nodes]
}

/**
 * Changes a limit until the process that has it starts again; answers when it is in force.
 * @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT, ENGINE_ERR_NODE_UNKNOWN, ENGINE_ERR_NODE_LOST,
 * ENGINE_ERR_NODE_SILENT.
 */
export async function setLimit(world: World, name: string, asked: string): Promise<LimitView> {
  const { bandwidth } = checked(limitRequest, { bandwidth: asked })
  if (name === COORDINATOR_NAME) {
    world.rateLimit.set(bandwidth)
    return { name, ...world.rateLimit.view }
  }
  const known = world.roster.all.find(({ identity }) => identity.name === name)
  if (known === undefined) throw new EngineError('ENGINE_ERR_NODE_UNKNOWN', { node: name })
  if (known.link === null) throw new EngineError('ENGINE_ERR_NODE_LOST', { name })
  known.link.send({ type: 'limit', bandwidth })
  await told(world, known, bandwidth)
  return { name, rateBps: null, ...known.limit, bandwidth }
}

/** A node tells its limit whenever it changes, and so answers. */
async function told(world: World, known: KnownNode, bandwidth: string): Promise<void> {
  const { name } = known.identity
  const late = new AbortController()
  const cancel = world.clock.setTimer(QUERY_ANSWER_MS, () => {
    late.abort(new EngineError('ENGINE_ERR_NODE_SILENT', { name, ms: QUERY_ANSWER_MS }))
  })
  try {
    const until = AbortSignal.any([late.signal, world.closing])
    while (known.limit?.bandwidth !== bandwidth) {
      if (known.link === null) throw new EngineError('ENGINE_ERR_NODE_LOST', { name })
      await known.limitBell.wait(until)
    }
  } finally {
    cancel()
  }
}
