// Who a node is: made once, the same ever after, never made anew beside a file that cannot be read.
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { seededRandom, systemRandom } from '../../../src/base/random.js'
import { openIdentity, openKey } from '../../../src/node/identity.js'

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

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

t.test('a key is made once, kept, and nobody else may read it', async (t) => {
  const path = join(t.testdir(), 'key.json')
  const { publicKey } = await openKey(path, systemRandom)
  t.equal(await modeOf(path), 0o600)
  await chmod(path, 0o644)
  t.equal((await openKey(path, seededRandom(1))).publicKey, publicKey)
  t.equal(await modeOf(path), 0o600)
  t.not((await openKey(join(t.testdir(), 'key.json'), systemRandom)).publicKey, publicKey)
})

t.test('a damaged key is refused and left as it is', async (t) => {
  const path = join(t.testdir(), 'key.json')
  await openKey(path, systemRandom)
  const { seed, publicKey } = JSON.parse(await readFile(path, 'utf8')) as { seed: string; publicKey: string }
  const other = seed.startsWith('0') ? `1${seed.slice(1)}` : `0${seed.slice(1)}`
  for (const fields of [
    { seed },
    { publicKey },
    { seed: other, publicKey },
    { seed: seed.slice(2), publicKey },
    null,
  ]) {
    const text = JSON.stringify(fields)
    await writeFile(path, text)
    await t.rejects(openKey(path, systemRandom), { code: 'ENGINE_ERR_IDENTITY_DAMAGED', hint: /identity\.json/ }, text)
    t.equal(await readFile(path, 'utf8'), text)
  }
  await writeFile(path, '{')
  await t.rejects(openKey(path, systemRandom), { code: 'ENGINE_ERR_IDENTITY_DAMAGED' })
  await t.rejects(openKey(t.testdir(), systemRandom), { code: 'ENGINE_ERR_IO' })
})
