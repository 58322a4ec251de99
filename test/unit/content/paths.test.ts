// Goal: every file has one place, and only our own names are ours. Method: by hand.
import { join } from 'node:path'
import t from 'tap'
import { ContentPaths, serialOf } from '../../../src/content/paths.js'

t.test('the layout is that of the nodes, with assignments by serial', async (t) => {
  const paths = new ContentPaths('/d')
  t.equal(paths.release('www', 7), '/d/sites/www/releases/7')
  t.equal(paths.tree('www', 7), '/d/sites/www/trees/7.tree')
  t.equal(paths.stream(3), '/d/assignments/3.stream')
  t.equal(paths.vouches(3), '/d/assignments/3.vouch')
  t.equal(paths.scannedTree('j'), join('/d', 'work', 'j.tree'))
})

t.test('a name that we did not make has no serial', async (t) => {
  for (const name of ['12.stream', '12.parcels', '12.vouch']) t.equal(serialOf(name), 12)
  t.equal(serialOf('12.vouch'), 12)
  for (const name of ['12.txt', '.12.stream', 'a12.stream', '12.stream.old', `${'9'.repeat(17)}.vouch`]) {
    t.equal(serialOf(name), null, name)
  }
})
