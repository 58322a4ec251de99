import { constants } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EngineError, toEngineError } from './errors.js'

/**
 * Makes a data directory and those above it, readable by all, writable by its owner.
 * @throws {EngineError} ENGINE_ERR_DATA_DIR_UNWRITABLE.
 */
export async function makeDataDirectory(path: string): Promise<void> {
  try {
    await makeWithParents(path)
  } catch (error) {
    const why = toEngineError(error).message
    throw new EngineError('ENGINE_ERR_DATA_DIR_UNWRITABLE', { path, why }, { cause: error })
  }
}

/**
 * Not `mkdir` with `recursive`: that never ends where the kernel says ENOENT in a directory that is there, as
 * it does in /proc.
 */
async function makeWithParents(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isDirectory(path))) return
    if (code !== 'ENOENT' || (await isDirectory(dirname(path)))) throw error
    await makeWithParents(dirname(path))
    await makeWithParents(path)
  }
}

const isDirectory = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
