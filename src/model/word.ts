import { digestOf, isSigned, type Signer } from '../base/signing.js'
import { wellFormed } from '../base/text.js'
import type { CommandRequest } from './job.js'
import type { ReleaseRef } from './node.js'

/** A server as others reach its relay. */
export interface WordServer {
  readonly nodeId: string
  readonly name: string
  /** Numeric. */
  readonly host: string
  readonly port: number
}

/** What each node carries out by itself and once. */
export type WordEffect = Extract<CommandRequest, { type: 'run-hook' | 'verify' }>

/** A command as it was decided. */
export type WordDecided =
  | (ReleaseRef & { readonly type: 'commit' | 'rollback' })
  | WordEffect
  | { readonly type: 'end-job' }

/** One command of a job, and the revision of its site with which it was decided. */
export interface WordCommand {
  readonly number: number
  readonly revision: number
  readonly command: WordDecided
}

/** What a site is to serve, and which command decided it. */
export interface WordTarget extends ReleaseRef {
  readonly jobId: string
  readonly number: number
  readonly command: 'commit' | 'rollback'
  readonly revision: number
}

/**
 * A job as it travels: who takes part, what was decided, in the order of the queue. What is not decided is in no word.
 * Of two words of a site the one with the higher revision counts.
 */
export interface Word {
  readonly coordinatorId: string
  /** Where the coordinator is told of what became of it; null: nodes know where they joined. */
  readonly coordinatorUrl: string | null
  readonly site: string
  readonly jobId: string
  readonly revision: number
  readonly servers: readonly WordServer[]
  /** Ascending by revision. */
  readonly commands: readonly WordCommand[]
  readonly target: WordTarget | null
  readonly ended: boolean
}

export interface SignedWord extends Word {
  /** By the coordinator, 128 hexadecimal digits. */
  readonly signature: string
}

const WORD_DOMAIN = 'distributary/word/1'
const SERVERS_DOMAIN = 'distributary/word-servers/1'

/** Texts are signed as a database or another language gives them back. */
const inUtf8 = (_: string, value: unknown): unknown => (typeof value === 'string' ? wellFormed(value) : value)

const textOf = (value: unknown): string => JSON.stringify(value, inUtf8)

/** What tells lists of servers apart, 64 hexadecimal digits. */
export const serversDigest = (servers: readonly WordServer[]): string =>
  digestOf(SERVERS_DOMAIN, textOf(servers.map(({ nodeId, name, host, port }) => [nodeId, name, host, port])))

function effectFacts(command: WordDecided): readonly unknown[] {
  switch (command.type) {
    case 'commit':
    case 'rollback':
      return [command.release, command.treeHash]
    case 'run-hook':
      return [command.hook, Object.entries(command.args).sort(([a], [b]) => (a < b ? -1 : 1))]
    case 'verify':
      return [command.release, command.rateBps, command.repair]
    case 'end-job':
      return []
  }
}

const targetFacts = ({ release, treeHash, jobId, number, command, revision }: WordTarget): readonly unknown[] => [
  release,
  treeHash,
  jobId,
  number,
  command,
  revision,
]

/** What is signed: a JSON array of all of it in this order, the servers by their digest. */
function signedText(word: Word): string {
  const { coordinatorId, coordinatorUrl, site, jobId, revision, servers, commands, target, ended } = word
  const about = [coordinatorId, coordinatorUrl, site, jobId, revision, serversDigest(servers)]
  const told = commands.map((each) => [each.number, each.revision, each.command.type, ...effectFacts(each.command)])
  return textOf([...about, told, target === null ? null : targetFacts(target), ended])
}

/** Signs a word with the coordinator's key. */
export const signWord = (word: Word, signer: Signer): SignedWord => ({
  ...word,
  signature: signer.sign(WORD_DOMAIN, signedText(word)),
})

/** Whether the owner of a public key (64 hexadecimal digits) signed exactly this. */
export const isWordSigned = (word: SignedWord, publicKey: string): boolean =>
  isSigned(publicKey, word.signature, WORD_DOMAIN, signedText(word))

/** Where a server is in a word's list; -1: it takes no part. */
export const indexIn = ({ servers }: Pick<Word, 'servers'>, nodeId: string): number =>
  servers.findIndex((server) => server.nodeId === nodeId)
