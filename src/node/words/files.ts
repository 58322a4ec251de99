import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '../../base/directories.js'
import { toEngineError } from '../../base/errors.js'
import { NAME_PATTERN } from '../../model/name.js'

/** Where a node keeps its words: one text a site. */
export interface WordFiles {
  /** Every text that is there, by site. What a crash left half-written is removed: to be called before any write. */
  readAll(): Promise<ReadonlyMap<string, string>>
  /**
   * Durable when it settles; a crash leaves the old text or the new one.
   * @throws {EngineError} ENGINE_ERR_IO, ENGINE_ERR_NO_SPACE.
   */
  write(site: string, text: string): Promise<void>
}

/** Files of a directory that nobody else may read: hooks' arguments are in them. */
export function filesIn(directory: string): WordFiles {
  return {
    async readAll() {
      const texts = new Map<string, string>()
      for (const file of await readdir(directory).catch(() => [])) {
        if (isHalf(file)) await rm(join(directory, file), { force: true }).catch(() => {})
        const site = file.endsWith('.json') ? file.slice(0, -'.json'.length) : ''
        if (NAME_PATTERN.test(site)) texts.set(site, await readFile(join(directory, file), 'utf8').catch(() => ''))
      }
      return texts
    },
    async write(site, text) {
      const path = join(directory, `${site}.json`)
      try {
        const made = await mkdir(directory, { recursive: true, mode: 0o700 })
        if (made !== undefined) await syncDirectory(dirname(made))
        await writeWhole(`${path}.new`, text)
        await rename(`${path}.new`, path)
        await syncDirectory(directory)
      } catch (error) {
        await rm(`${path}.new`, { force: true }).catch(() => {})
        throw toEngineError(error, { what: path, path })
      }
    },
  }
}

const isHalf = (file: string): boolean =>
  file.endsWith('.json.new') && NAME_PATTERN.test(file.slice(0, -'.json.new'.length))

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
