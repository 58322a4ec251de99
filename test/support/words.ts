// Words as a coordinator of a test makes them.
import { Signer } from '../../src/base/signing.js'
import { type SignedWord, signWord, type Word, type WordServer } from '../../src/model/word.js'

export const wordSigner = new Signer(Buffer.alloc(32, 9))
export const wordCoordinator = 'd'.repeat(32)

export const serverOf = (index: number): WordServer => ({
  nodeId: index.toString(16).padStart(32, '0'),
  name: `n${index}`,
  host: '127.0.0.1',
  port: 7000 + index,
})

/** A word of job `j`, signed. */
export function wordOf(revision: number, rest: Partial<Word> = {}, signer = wordSigner): SignedWord {
  const servers = [serverOf(1), serverOf(2), serverOf(3)]
  const who = { coordinatorId: wordCoordinator, coordinatorUrl: null, site: 'www', jobId: 'j' }
  const said = { commands: [], target: null, ended: false }
  return signWord({ ...who, revision, servers, ...said, ...rest }, signer)
}

export const hookCommand = (number: number, revision: number) =>
  ({ number, revision, command: { type: 'run-hook', hook: 'reload', args: {} } }) as const
