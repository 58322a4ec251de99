// Goal: what the guides show can be typed as shown, and answers as shown.
// Method: each fenced block marked `sh runnable` is run by bash, all of a guide in one shell, against real processes:
// $URL is the coordinator, $DIR a directory with content, `engine` the built command. A line `# → …` in a block must be
// printed by it, in this order; `…` stands for anything.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Fleet } from '../support/fleet.js'
import { start } from '../support/process.js'

const guides = fileURLToPath(new URL('../../docs/guide/', import.meta.url))
const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))
const directory = await mkdtemp(`${tmpdir()}/distributary-guides-`)
t.teardown(() => rm(directory, { recursive: true, force: true }))

const hooks = `
node:
  hooks:
    note:
      command: [sh, -c, 'echo "$1" >> notes; echo "noted $1"', note, "{text}"]
      arguments:
        text: {type: string, required: true}
`

interface Block {
  readonly script: string
  /** Patterns of lines. */
  readonly shown: readonly RegExp[]
}

const patternOf = (line: string): RegExp =>
  new RegExp(
    line
      .split('…')
      .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*'),
  )

const blocksOf = (text: string): readonly Block[] =>
  [...text.matchAll(/^```sh runnable\n([\s\S]*?)^```/gm)].map(([, script = '']) => ({
    script,
    shown: [...script.matchAll(/^# → (.*)$/gm)].map(([, line = '']) => patternOf(line)),
  }))

const MARK = '--- end of block '

/** One shell runs all blocks of a guide: what one sets, the next one uses. */
async function runAll(blocks: readonly Block[], place: { readonly url: string; readonly directory: string }) {
  const { url, directory: at } = place
  const bin = `${at}/bin`
  await mkdir(bin)
  await writeFile(`${bin}/engine`, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`)
  await chmod(`${bin}/engine`, 0o755)
  await mkdir(`${at}/site`)
  await writeFile(`${at}/site/index.html`, 'hello\n')
  await writeFile(`${at}/hello.txt`, 'hello\n')
  const script = blocks.map((block, index) => `${block.script}\necho '${MARK}${index}'`).join('\n')
  const path = `${bin}:${process.env['PATH'] ?? ''}`
  const env = { URL: url, ENGINE_URL: url, DIR: `${at}/site`, PATH: path }
  return start('bash', ['-c', `set -euo pipefail; exec 2>&1; cd "${at}"\n${script}`], { env }).exited
}

const marked = await Promise.all(
  (await readdir(guides))
    .filter((name) => name.endsWith('.md'))
    .map(async (name) => ({ name, blocks: blocksOf(await readFile(`${guides}${name}`, 'utf8')) })),
)

t.test('the guides that are meant to be typed have blocks that run', async (t) => {
  const names = marked.filter(({ blocks }) => blocks.length > 0).map(({ name }) => name)
  for (const name of ['benchmarks.md', 'files.md', 'hooks.md', 'jobs.md', 'record.md', 'uploads.md', 'verify.md'])
    t.ok(names.includes(name), name)
})

for (const { name, blocks } of marked.filter((guide) => guide.blocks.length > 0)) {
  t.test(`what ${name} shows runs, and prints what is shown`, async (t) => {
    const at = `${directory}/${name}`
    await mkdir(at)
    for (const node of ['n1', 'n2']) await writeFile(`${at}/${node}.yaml`, hooks)
    const fleet = await Fleet.start(at, 2)
    t.teardown(() => fleet.stopAll())
    const { code, stdout } = await runAll(blocks, { url: fleet.url, directory: at })
    t.equal(code, 0, `${stdout}\n${fleet.story()}`)
    const printed = stdout.split(new RegExp(`^${MARK}\\d+\\n`, 'm'))
    for (const [index, { shown }] of blocks.entries()) {
      const lines = (printed[index] ?? '').split('\n')
      let from = 0
      for (const pattern of shown) {
        const found = lines.findIndex((line, i) => i >= from && pattern.test(line))
        t.ok(found >= 0, `block ${index + 1} prints ${pattern.source}\n${lines.join('\n')}`)
        from = found + 1
      }
    }
  })
}
