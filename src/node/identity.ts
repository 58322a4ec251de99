import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EngineError, toEngineError } from '../base/errors.js'
import { newIdentity, type Random } from '../base/random.js'
import { syncDirectory } from '../base/directories.js'

/**
 * Reads who this node is from its data directory, or makes it once. It is never made anew beside a
 * file that cannot be read: the node would come back as a stranger.
 * @returns 32 hexadecimal digits, durable.
 * @throws {EngineError} ENGINE_ERR_IDENTITY_DAMAGED, ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO.
 */
export async function openIdentity(path: string, random: Random): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw toEngineError(error, { what: path, path })
  })
  return text === null ? createIdentity(path, random) : parseIdentity(path, text)
}

function parseIdentity(path: string, text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new EngineError('ENGINE_ERR_IDENTITY_DAMAGED', { path, why: 'it is not JSON' }, { cause: error })
  }
  const { nodeId } = (typeof value === 'object' && value !== null ? value : {}) as { nodeId?: unknown }
  if (typeof nodeId === 'string' && /^[0-9a-f]{32}$/.test(nodeId)) return nodeId
  throw new EngineError('ENGINE_ERR_IDENTITY_DAMAGED', { path, why: 'it names no node' })
}

async function createIdentity(path: string, random: Random): Promise<string> {
  const nodeId = newIdentity(random)
  const temporary = `${path}.new`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ nodeId })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    throw toEngineError(error, { what: path, path })
  }
  return nodeId
}
