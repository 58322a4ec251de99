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
