// Goal: whoever reads `live`, at whatever moment, reads one whole release.
// Method: a reader in another language hashes `live` over and over during 20 publishes; every hash that it
// saw must be that of a release that was published.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Fleet } from '../support/fleet.js'
import { run } from '../support/process.js'

const hasher = fileURLToPath(new URL('../lab/tree_hash.py', import.meta.url))

t.test('a reader that hashes live in a loop during 20 publishes sees only whole releases', async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/distributary-whole-`)
  const fleet = await Fleet.start(directory, 1)
  t.teardown(async () => {
    await fleet.stopAll()
    await rm(directory, { recursive: true, force: true })
  })
  const staging = `${directory}/staging`
  await mkdir(staging)
  const published = new Set<string>()
  const publish = async (release: number): Promise<void> => {
    // Every file of a release carries its number, so that a mix of two releases has a hash of its own.
    for (let i = 0; i < 40; i++) await writeFile(`${staging}/file-${i}`, `release ${release} of file ${i}\n`.repeat(50))
    published.add((await run('python3', [hasher, `${staging}/`])).split('  ')[0] ?? '')
    const outcome = await fleet.publish(staging)
    t.equal(outcome.code, 0, `release ${release} is live ${outcome.stderr}`, { fleet: fleet.story() })
  }
  await publish(1)
  const reader = spawn('python3', [hasher, '--watch', fleet.liveOf('n1')], { stdio: ['pipe', 'pipe', 'inherit'] })
  let seen = ''
  reader.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
  for (let release = 2; release <= 21; release++) await publish(release)
  reader.stdin.end()
  await once(reader, 'close')
  const hashes = seen.trim().split('\n')
  t.ok(new Set(hashes).size > 1, `it read ${hashes.length} times and saw ${new Set(hashes).size} releases`)
  t.same(
    [...new Set(hashes)].filter((hash) => !published.has(hash)),
    [],
    'each hash is that of a published release',
  )
})
