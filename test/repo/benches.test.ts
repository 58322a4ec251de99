// Goal: the micro benches run, and compute the same on every machine.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const small = async (): Promise<string | undefined> => {
  const args = ['--import', 'tsx', 'bench/micro/rooms.ts', '--small']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  return /result ([0-9a-f]{16})/.exec(stdout)?.[1]
}

t.test('two runs of the micro benches compute the same', async (t) => {
  const first = await small()
  t.match(first, /^[0-9a-f]{16}$/)
  t.equal(await small(), first)
})
