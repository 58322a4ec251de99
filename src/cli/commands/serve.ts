import { EngineError } from '../../base/errors.js'
import { createLogger, type Logger } from '../../base/log.js'
import type { Config } from '../../config/schema.js'
import type { Output } from '../output.js'
import { exitCodeOfSignal, type Lifetime } from '../signals.js'

interface Opened {
  close(): Promise<void>
}

/** Opens what the configuration's role asks for; what was opened is closed again when the rest fails. */
async function openRoles(config: Config, log: Logger, announce: (facts: object) => void): Promise<Opened[]> {
  const opened: Opened[] = []
  // With both roles the node joins the coordinator of this process, wherever that got its port.
  let join = config.node.join
  try {
    if (config.role !== 'node') {
      const { Coordinator } = await import('../../coordinator.js')
      const coordinator = await Coordinator.open({ config, log: log.child({ role: 'coordinator' }) })
      opened.push(coordinator)
      join ??= coordinator.url
      announce({ role: 'coordinator', url: coordinator.url, relay: coordinator.relayAddress })
    }
    if (config.role !== 'coordinator') {
      const { Node } = await import('../../node.js')
      const node = await Node.open({ config, log: log.child({ role: 'node' }), ...(join === null ? {} : { join }) })
      opened.push(node)
      announce({ role: 'node', name: node.name, nodeId: node.id, relay: node.relayAddress })
    }
  } catch (error) {
    await Promise.allSettled(opened.map((one) => one.close()))
    throw error
  }
  return opened
}

/** `engine serve`: runs until a signal asks for the end; a second one does not wait. */
export async function serve(output: Output, config: Config, lifetime: Lifetime): Promise<number> {
  const log = createLogger({ level: config.log.level, format: config.log.format, destination: 2 })
  const announce = (facts: object): void => {
    if (output.json) output.data({ type: 'listening', ...facts })
    else
      output.print(
        Object.entries(facts)
          .map(([name, value]) => `${name} ${String(value)}`)
          .join('  '),
      )
  }
  const opening = openRoles(config, log, announce)
  const stopped = await Promise.race([opening.then(() => null), lifetime.ended])
  if (stopped !== null) {
    // Asked to stop while still opening: what is opened is closed as soon as it can be.
    const opened = await opening.catch(() => [])
    await Promise.allSettled(opened.map((one) => one.close()))
    return 0
  }
  const opened = await opening
  const reason = await lifetime.ended
  log.info({ reason }, 'stopping')
  lifetime.onSecond(() => process.exit(exitCodeOfSignal(reason)))
  const closed = await Promise.allSettled(opened.toReversed().map((one) => one.close()))
  const failed = closed.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined)
    throw new EngineError('ENGINE_ERR_INTERNAL', { why: 'a part did not close' }, { cause: failed.reason })
  return 0
}
