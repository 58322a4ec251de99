// A node that closes does not wait for what its words have begun.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../../src/base/clock.js'
import { silentLogger } from '../../../../src/base/log.js'
import { systemRandom } from '../../../../src/base/random.js'
import { HOUR_MS } from '../../../../src/base/units.js'
import { Node } from '../../../../src/node.js'
import { openIdentity } from '../../../../src/node/identity.js'
import { Ledger } from '../../../../src/node/ledger.js'
import { NodePaths } from '../../../../src/node/paths.js'
import { filesIn } from '../../../../src/node/words/files.js'
import { until } from '../../../support/until.js'
import { hookCommand, serverOf, wordCoordinator, wordOf, wordSigner } from '../../../support/words.js'

t.test('the hook of a command that came without the coordinator ends with the node', async (t) => {
  const dataDir = t.testdir({})
  const paths = new NodePaths(dataDir)
  const nodeId = await openIdentity(paths.identity, systemRandom)
  const ledger = await Ledger.open({ path: paths.journal, log: silentLogger, clock: systemClock })
  await ledger.record({ type: 'joined', coordinatorId: wordCoordinator, publicKey: wordSigner.publicKey })
  await ledger.close()
  const word = wordOf(1, { servers: [{ ...serverOf(1), nodeId }], commands: [hookCommand(1, 1)] })
  await filesIn(paths.words).write('www', JSON.stringify([{ word, closed: false }]))
  const command = ['sh', '-c', 'echo $$ > pid; mv pid begun; exec sleep 3600']
  const hooks = { reload: { command, timeoutMs: HOUR_MS } }
  const node = await Node.open({ join: 'http://127.0.0.1:1', dataDir, name: 'n1', hooks })
  t.teardown(() => node.close())
  await until('its hook runs', () => existsSync(join(dataDir, 'begun')))
  const pid = Number(await readFile(join(dataDir, 'begun'), 'utf8'))
  await node.close()
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
