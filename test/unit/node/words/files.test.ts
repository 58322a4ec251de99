// Words on the disk: whole or not at all, and nothing of a crash is left.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { filesIn } from '../../../../src/node/words/files.js'

t.test('what is written is read again, and takes the place of what was there', async (t) => {
  const files = filesIn(join(t.testdir(), 'words'))
  t.same([...(await files.readAll())], [])
  await files.write('www', 'one')
  await files.write('www', 'two')
  await files.write('docs', 'three')
  t.same(new Map([...(await files.readAll())].sort()), new Map([...Object.entries({ docs: 'three', www: 'two' })]))
})

t.test('what a crash left half-written goes with the next start; what is not ours stays', async (t) => {
  const directory = join(t.testdir(), 'words')
  await mkdir(directory)
  for (const name of ['www.json', 'www.json.new', 'docs.json.new', 'notes', 'a b.json.new']) {
    await writeFile(join(directory, name), 'text')
  }
  t.same([...(await filesIn(directory).readAll())], [['www', 'text']])
  t.same((await readdir(directory)).sort(), ['a b.json.new', 'notes', 'www.json'])
})
