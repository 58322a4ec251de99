import { NODE_SILENT_MS } from '../base/limits.js'
import { formatDuration } from '../base/quantities.js'

/** When a node was last heard of, by a clock that never goes back; null: not since this process started. */
export interface Presence {
  readonly online: boolean
  readonly lastHeardMs: number | null
}

/**
 * Why nobody should wait for a node any longer, or null while it is connected or may still be on its
 * way back. Who has been away for longer than that keeps no job waiting anew. Pure.
 * @param sinceMs from when it could have connected, by the same clock: counts for who was not heard of since.
 */
export function silenceOf(presence: Presence, sinceMs: number, nowMs: number): string | null {
  if (presence.online) return null
  const quietMs = nowMs - (presence.lastHeardMs ?? sinceMs)
  if (quietMs <= NODE_SILENT_MS) return null
  return presence.lastHeardMs === null
    ? 'it has not connected since the coordinator started'
    : `it has not answered for ${formatDuration(nowMs - presence.lastHeardMs)}`
}
