// A hook before the switch that takes as long as a test wants: as long as a file is there.
import { rm, writeFile } from 'node:fs/promises'

export class SlowHook {
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
  }

  /** Writes the configuration of a node of a fleet that starts in `directory`. */
  static async of(node: string, directory: string): Promise<SlowHook> {
    const hook = `{command: [sh, check.sh], on: before-commit, cwd: ${directory}}`
    await writeFile(`${directory}/${node}.yaml`, `node:\n  hooks:\n    check: ${hook}\n`)
    await writeFile(`${directory}/check.sh`, 'while test -e slow; do sleep 0.1; done\n')
    return new SlowHook(`${directory}/slow`)
  }

  /** From now on it does not end. */
  slow(): Promise<void> {
    return writeFile(this.#file, '')
  }

  /** It ends now, and at once when it runs again. */
  hurry(): Promise<void> {
    return rm(this.#file, { force: true })
  }
}
