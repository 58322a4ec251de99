// In: nothing, or bytes. Out: ed25519 keys, BLAKE3 digests.
// Never: a key in a message or a log.
import { guarded } from './fault.js'
import { engine } from './load.js'

export interface KeyPair {
  /** 32 bytes: the secret. */
  readonly seed: Buffer
  /** 32 bytes. */
  readonly publicKey: Buffer
}

/** Makes an ed25519 key from the kernel's randomness. */
export function generateKey(): KeyPair {
  return guarded(() => engine().generateKey())
}

/** The public half of a seed of 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Buffer {
  return guarded(() => engine().publicKeyOf(seed))
}

/** BLAKE3 of the bytes, 64 hexadecimal digits. */
export function blake3(bytes: Uint8Array): string {
  return guarded(() => engine().blake3(bytes))
}
