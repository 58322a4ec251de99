// Goal: what a coordinator says right after its first welcome counts, before the disk knows whose node this is.
// Method: a real node and a real channel; the welcome and a word arrive in one piece.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { serversDigest } from '../../../src/model/word.js'
import { Node } from '../../../src/node.js'
import { serve } from '../../support/control.js'
import { until } from '../../support/until.js'
import { wordCoordinator, wordOf, wordSigner } from '../../support/words.js'

t.test('a node keeps the word that comes with its first welcome', async (t) => {
  const { door, server } = await serve(t)
  door.welcomes = false
  const connected = door.nodeConnected.bind(door)
  const { servers, ...body } = wordOf(1)
  door.nodeConnected = (link, hello) => {
    const session = connected(link, hello)
    const who = { version: 1, role: 'coordinator', coordinatorId: wordCoordinator } as const
    link.send({ type: 'welcome', ...who, publicKey: wordSigner.publicKey })
    const word = { ...body, commands: [...body.commands], serversDigest: serversDigest(servers) }
    link.send({ type: 'word', word, servers: [...servers], indexes: [] })
    return session
  }
  const dataDir = t.testdir()
  const node = await Node.open({ join: server.url, dataDir, name: 'n1', groups: ['edge'] })
  t.teardown(() => node.close())
  const kept = await until('it is kept', () => readFile(join(dataDir, 'words/www.json'), 'utf8').catch(() => false))
  t.match(kept, /"revision":1/)
})
