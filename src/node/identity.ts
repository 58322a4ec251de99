import { chmod, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../base/directories.js'
import { EngineError, toEngineError } from '../base/errors.js'
import { newIdentity, type Random } from '../base/random.js'
import { Signer } from '../base/signing.js'

/**
 * Reads who this node is from its data directory, or makes it once. It is never made anew beside a
 * file that cannot be read: the node would come back as a stranger.
 * @returns 32 hexadecimal digits, durable.
 * @throws {EngineError} ENGINE_ERR_IDENTITY_DAMAGED, ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO.
 */
export async function openIdentity(path: string, random: Random): Promise<string> {
  const found = await readFields(path)
  if (found === null) {
    const nodeId = newIdentity(random)
    await writeFields(path, { nodeId })
    return nodeId
  }
  const { nodeId } = found
  if (typeof nodeId === 'string' && /^[0-9a-f]{32}$/.test(nodeId)) return nodeId
  throw new EngineError('ENGINE_ERR_IDENTITY_DAMAGED', { path, why: 'it names no node' })
}

/**
 * Reads the ed25519 key with which this node signs its reports, or makes it once, as its identity. Nobody else may
 * read it.
 * @throws {EngineError} ENGINE_ERR_IDENTITY_DAMAGED, ENGINE_ERR_NO_SPACE, ENGINE_ERR_IO.
 */
export async function openKey(path: string, random: Random): Promise<Signer> {
  const found = await readFields(path)
  if (found === null) {
    const seed = random.bytes(32)
    const signer = new Signer(seed)
    await writeFields(path, { seed: seed.toString('hex'), publicKey: signer.publicKey })
    return signer
  }
  const { seed, publicKey } = found
  if (typeof seed === 'string' && /^[0-9a-f]{64}$/.test(seed)) {
    const signer = new Signer(Buffer.from(seed, 'hex'))
    // The public half is the check of the secret one.
    if (signer.publicKey === publicKey) {
      await chmod(path, 0o600).catch((error: unknown) => {
        throw toEngineError(error, { what: path, path })
      })
      return signer
    }
  }
  const hint = 'put back the file, or move it and identity.json away to join as a new node under another name'
  throw new EngineError('ENGINE_ERR_IDENTITY_DAMAGED', { path, why: 'it holds no key' }, { hint })
}

/** What a file of JSON says; null when there is none. */
async function readFields(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw toEngineError(error, { what: path, path })
  })
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch (error) {
    throw new EngineError('ENGINE_ERR_IDENTITY_DAMAGED', { path, why: 'it is not JSON' }, { cause: error })
  }
}

/** Writes a file that is there whole and durable, or not at all. */
async function writeFields(path: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const temporary = `${path}.new`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(fields)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    throw toEngineError(error, { what: path, path })
  }
}
