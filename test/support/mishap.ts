// What happens to a program at a system call: test/powercut/mishap.c, compiled where it is needed.
import { fileURLToPath } from 'node:url'
import { run } from './process.js'

const source = fileURLToPath(new URL('../powercut/mishap.c', import.meta.url))

/** Compiles it into a directory, and returns its path. */
export async function compileMishap(directory: string): Promise<string> {
  const program = `${directory}/mishap`
  await run('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source])
  return program
}
