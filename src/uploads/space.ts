import { statfs } from 'node:fs/promises'
import { EngineError } from '../base/errors.js'

/** @throws {EngineError} ENGINE_ERR_NO_SPACE where a disk has no more than what stays free on it. */
export async function requireSpace(
  directory: string,
  { what, needBytes, freeBytes }: { readonly what: string; readonly needBytes: number; readonly freeBytes: number },
): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const haveBytes = Math.max(0, bavail * bsize - freeBytes)
  if (needBytes <= haveBytes && haveBytes > 0) return
  const facts = { path: directory, needBytes, haveBytes }
  const message = `no space for ${what}: ${needBytes} bytes needed, ${haveBytes} may be used on the disk of uploads`
  throw new EngineError('ENGINE_ERR_NO_SPACE', facts, { message })
}

/** @throws {EngineError} ENGINE_ERR_UPLOAD_LIMIT where uploads may not hold so much more. */
export function requireRoom(what: string, needBytes: number, haveBytes: number): void {
  if (needBytes <= haveBytes) return
  throw new EngineError('ENGINE_ERR_UPLOAD_LIMIT', { what, needBytes, haveBytes: Math.max(0, haveBytes) })
}
