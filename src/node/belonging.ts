import { EngineError } from '../base/errors.js'
import type { Welcome } from './channel.js'
import type { NodeState } from './state.js'

/** Identities are public, so it is the key that tells. @throws {EngineError} ENGINE_ERR_COORDINATOR_CHANGED. */
export function checkCoordinator(
  { coordinatorId: ours, publicKey: key }: NodeState,
  { coordinatorId: theirs, publicKey }: Pick<Welcome, 'coordinatorId' | 'publicKey'>,
  url: string,
): void {
  if (ours !== null && ours !== theirs) throw new EngineError('ENGINE_ERR_COORDINATOR_CHANGED', { ours, theirs, url })
  if (ours === null || key === null || key === publicKey) return
  const message = `this node belongs to coordinator ${ours}, and who answered at ${url} has its name, but another key`
  throw new EngineError('ENGINE_ERR_COORDINATOR_CHANGED', { ours, theirs, url }, { message })
}
