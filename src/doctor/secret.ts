import { KeyObject } from 'node:crypto'
import { isAnyArrayBuffer } from 'node:util/types'
import { weaknessOf } from '../core/secrets.js'

/** What is wrong with a secret, which is whatever `createHmac` takes as its key; `null` for a good one. */
export function weaknessOfSecret(secret: unknown): string | null {
  if (typeof secret === 'string') return weaknessOf(secret)
  // One character for each byte, so that random bytes are as different as they are, and none is lost.
  const text = bytesOf(secret)?.toString('latin1')
  return text === undefined ? null : (weaknessOf(text)?.replace('characters', 'bytes') ?? null)
}

function bytesOf(secret: unknown): Buffer | null {
  if (secret instanceof KeyObject) return secret.type === 'secret' ? secret.export() : null
  if (ArrayBuffer.isView(secret)) return Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
  return isAnyArrayBuffer(secret) ? Buffer.from(secret) : null
}
