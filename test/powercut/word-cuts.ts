// Cuts the power of a disk, again and again, while words come to a node that keeps them there.
//
//   unshare -m --propagation private node --import tsx test/powercut/word-cuts.ts [--cuts 100] [--seed 1]
//
// Words come by other nodes, which take what was answered as kept. After a cut each site must have the last word that
// was answered, or the next one, whole, and nothing that was half written. Run under `mishap skip fsync` it must end
// with 1. What it needs: see ../support/cut-disk.ts.
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HOOK_ARGUMENT_CHARS_MAX } from '../../src/base/limits.js'
import { silentLogger } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { isWordSigned } from '../../src/model/word.js'
import { filesIn } from '../../src/node/words/files.js'
import { Shelf } from '../../src/node/words/shelf.js'
import { CutDisk } from '../support/cut-disk.js'
import { wordOf, wordSigner } from '../support/words.js'

const { values } = parseArgs({
  options: { cuts: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
})
const SITES = ['www', 'docs', 'app']
/** From when words begin to come; a cut takes some tens of milliseconds itself. */
const MOMENT_MS_MAX = 60
/** Of a hook: words take one block of the disk or several. */
const ARGUMENTS_MAX = 5

const random = seededRandom(Number(values.seed))
const work = await mkdtemp('/dev/shm/distributary-words-')
const disk = await CutDisk.make(work, '32M')

const openShelf = async (directory: string): Promise<Shelf> => {
  const isTrusted = (word: Parameters<typeof isWordSigned>[0]): boolean => isWordSigned(word, wordSigner.publicKey)
  const shelf = new Shelf(filesIn(directory), isTrusted, silentLogger)
  await shelf.open()
  return shelf
}

/** Keeps words of a site until the disk takes no more. Gives the revision that was answered last. */
async function keep(shelf: Shelf, site: string): Promise<number> {
  for (let revision = 1; ; revision++) {
    const text = 'x'.repeat(HOOK_ARGUMENT_CHARS_MAX)
    const names = Array.from({ length: random.below(ARGUMENTS_MAX) }, (_, index) => `a${index}`)
    const args = Object.fromEntries(names.map((name) => [name, text]))
    const command = { number: 1, revision, command: { type: 'run-hook', hook: 'note', args } } as const
    try {
      await shelf.put(wordOf(revision, { site, jobId: `j${revision % 3}`, commands: [command] }), false)
    } catch {
      return revision - 1
    }
  }
}

async function tryCut(cut: number): Promise<readonly string[]> {
  // A directory of its own: the first word makes it.
  const directory = `${disk.path}/${cut}`
  const shelf = await openShelf(directory)
  const keeping = SITES.map((site) => keep(shelf, site))
  await sleep(random.next() * MOMENT_MS_MAX)
  await disk.cut()
  const answered = await Promise.all(keeping)
  await disk.unmount()
  await disk.mount()
  const found = await openShelf(directory)
  const revisions = SITES.map((site) => found.revisionOf(site))
  const faults = SITES.flatMap((site, at) => {
    const [last = 0, has = 0] = [answered[at], revisions[at]]
    return has === last || has === last + 1 ? [] : [`word ${last} of ${site} was answered, ${has} is there`]
  })
  const left = readdirSync(disk.path, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.new'))
  process.stdout.write(`${JSON.stringify({ cut, answered, revisions })}\n`)
  return [...faults, ...left.map((path) => `${path} is left over`)]
}

let cuts = 0
const faults: string[] = []
try {
  while (cuts < Number(values.cuts) && faults.length === 0) {
    faults.push(...(await tryCut(cuts)))
    cuts += 1
  }
  process.stdout.write(`${JSON.stringify({ cuts, faults })}\n`)
  process.exitCode = faults.length === 0 ? 0 : 1
} finally {
  await disk.unmount()
  await rm(work, { recursive: true, force: true })
}
