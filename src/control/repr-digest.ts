import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { EngineError } from '../base/errors.js'

const algorithms: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' }
const member = /^\s*([a-z0-9-]+)=:([A-Za-z0-9+/]+={0,2}):\s*$/

interface Promised {
  readonly name: string
  readonly hash: Hash
  readonly wanted: string
}

/** What `Repr-Digest` promises, of the algorithms that RFC 9530 calls active; others promise nothing. */
function promisedOf(header: string): Promised[] {
  return header.split(',').flatMap((text) => {
    const [, name, wanted] = member.exec(text) ?? []
    if (name === undefined || wanted === undefined) {
      const why = 'write it like sha-256=:BASE64:'
      throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: 'Repr-Digest', why })
    }
    const algorithm = algorithms[name]
    return algorithm === undefined ? [] : [{ name, hash: createHash(algorithm), wanted }]
  })
}

/**
 * Listens to a body that somebody else reads.
 * @returns what to call at its end. @throws {EngineError} ENGINE_ERR_INVALID_ARGUMENT when the header is none; the
 * returned function ENGINE_ERR_DIGEST_MISMATCH when the body is not what the header promised.
 */
export function representationCheck(header: unknown, body: Readable): () => void {
  const promised = typeof header === 'string' ? promisedOf(header) : []
  if (promised.length === 0) return () => {}
  // `read` and not 'data': listening for that would make the body flow before anybody takes it.
  const read = body.read.bind(body)
  body.read = (size?: number): unknown => {
    const piece: unknown = read(size)
    if (piece instanceof Uint8Array) for (const { hash } of promised) hash.update(piece)
    return piece
  }
  return () => {
    for (const { name, hash, wanted } of promised) {
      if (hash.digest('base64') === wanted) continue
      const hint = 'nothing of it was kept: send it again'
      throw new EngineError('ENGINE_ERR_DIGEST_MISMATCH', { what: `the body (${name})` }, { hint })
    }
  }
}
