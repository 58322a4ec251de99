// Who a node is: made once, the same ever after, never made anew beside a file that cannot be read.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { seededRandom, systemRandom } from '../../../src/base/random.js'
import { openIdentity } from '../../../src/node/identity.js'

t.test('an identity is made once and kept', async (t) => {
  const path = join(t.testdir(), 'identity.json')
  const id = await openIdentity(path, systemRandom)
  t.match(id, /^[0-9a-f]{32}$/)
  t.equal(await openIdentity(path, seededRandom(1)), id)
  t.not(await openIdentity(join(t.testdir(), 'identity.json'), systemRandom), id)
})

t.test('a damaged one is refused and left as it is', async (t) => {
  const path = join(t.testdir(), 'identity.json')
  for (const text of ['', '{', 'null', '{"nodeId":"x"}', `{"nodeId":"${'A'.repeat(32)}"}`]) {
    await writeFile(path, text)
    await t.rejects(openIdentity(path, systemRandom), { code: 'ENGINE_ERR_IDENTITY_DAMAGED' }, text)
    t.equal(await readFile(path, 'utf8'), text)
  }
  await t.rejects(openIdentity(t.testdir(), systemRandom), { code: 'ENGINE_ERR_IO' })
  await t.rejects(openIdentity('/nowhere/at/all', systemRandom), { code: 'ENGINE_ERR_IO' })
})
