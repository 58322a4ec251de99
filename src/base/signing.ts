import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { NODES_MAX } from './limits.js'

// What DER puts before the 32 bytes of an ed25519 key (RFC 8410): a seed, and a public key.
const SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Keys of small order, the sign bit aside: under one of these a signature of nothing holds for many texts, and the
 * verification of OpenSSL takes them.
 */
const WEAK_KEYS: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ...['ec', 'ed', 'ee'].map((low) => `${low}${'ff'.repeat(30)}7f`),
])

const isWeak = (key: Buffer): boolean => {
  const masked = Buffer.from(key)
  masked[31] = (masked[31] ?? 0) & 0x7f
  return WEAK_KEYS.has(masked.toString('hex'))
}

/** Keys as the library has them, by text, one a node: to read one takes almost as long as to check a signature. */
const readKeys = new Map<string, KeyObject>()

function readKey(publicKey: string, raw: Buffer): KeyObject {
  const known = readKeys.get(publicKey)
  if (known !== undefined) return known
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, raw]), format: 'der', type: 'spki' })
  if (readKeys.size >= NODES_MAX) readKeys.clear()
  readKeys.set(publicKey, key)
  return key
}

/** Bytes that say what they are for: what is signed or hashed for one purpose is worth nothing for another. */
const inDomain = (domain: string, text: string): Buffer => Buffer.from(`${domain}\0${text}`, 'utf8')

/** SHA-256 over `domain NUL text` in UTF-8, 64 hexadecimal digits. */
export const digestOf = (domain: string, text: string): string =>
  createHash('sha256').update(inDomain(domain, text)).digest('hex')

/** Signs texts with one ed25519 key. */
export class Signer {
  /** 64 hexadecimal digits. */
  readonly publicKey: string
  readonly #key: KeyObject

  /** @param seed the secret, 32 bytes. */
  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.concat([SEED_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    const exported = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.publicKey = exported.subarray(PUBLIC_PREFIX.length).toString('hex')
  }

  /** Signature over `domain NUL text` in UTF-8, 128 hexadecimal digits. */
  sign(domain: string, text: string): string {
    return sign(null, inDomain(domain, text), this.#key).toString('hex')
  }
}

/** Whether the owner of a public key (64 hexadecimal digits) signed `text` for `domain`. Anything unreadable: no. */
export function isSigned(publicKey: string, signature: string, domain: string, text: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(publicKey) || !/^[0-9a-f]{128}$/.test(signature)) return false
  const raw = Buffer.from(publicKey, 'hex')
  if (isWeak(raw)) return false
  try {
    return verify(null, inDomain(domain, text), readKey(publicKey, raw), Buffer.from(signature, 'hex'))
  } catch {
    return false
  }
}
