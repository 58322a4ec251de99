// Goal: the node channel takes what the data plane takes, and nothing more.
// Method: orders at the bounds, and the bounds as the wire crate has them.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, STRAND_COUNT_MAX } from '../../../src/base/limits.js'
import { stage } from '../../../src/control/schema/channel.js'

function order(chunkBytes: number) {
  const plan = { strandCount: 1, parents: [[]], peers: [] }
  return {
    ...{
      type: 'stage',
      commandId: 'c',
      jobId: 'j',
      number: 1,
      site: 'www',
      release: 1,
      treeHash: 'b'.repeat(64),
      base: null,
    },
    ...{ assignment: { id: 'a'.repeat(32), serial: 1, chunkBytes }, plan },
  }
}

t.test('a chunk has a size that relays take', async (t) => {
  for (const bytes of [CHUNK_BYTES_MIN, 3 * CHUNK_BYTES_MIN, CHUNK_BYTES_MAX]) {
    t.equal(stage.safeParse(order(bytes)).success, true, `${bytes}`)
  }
  for (const bytes of [0, CHUNK_BYTES_MIN / 2, CHUNK_BYTES_MIN + 1, CHUNK_BYTES_MAX + CHUNK_BYTES_MIN, 1 << 24]) {
    t.equal(stage.safeParse(order(bytes)).success, false, `${bytes}`)
  }
})

t.test('bounds that both planes name are the same', async (t) => {
  const source = await readFile(new URL('../../../native/crates/wire/src/limits.rs', import.meta.url), 'utf8')
  const wire = (name: string): number =>
    (new RegExp(`pub const ${name}: u\\d+ = ([\\d *]+);`).exec(source)?.[1] ?? '')
      .split('*')
      .reduce((product, factor) => product * Number(factor), 1)
  t.same(['CHUNK_BYTES_MIN', 'CHUNK_BYTES_MAX', 'STRAND_COUNT_MAX'].map(wire), [
    CHUNK_BYTES_MIN,
    CHUNK_BYTES_MAX,
    STRAND_COUNT_MAX,
  ])
})
