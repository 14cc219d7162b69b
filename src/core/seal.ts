import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { randomText } from './random.js'
import { checkedSecrets, type Secrets } from './secrets.js'

/** Makes text that nobody without the secret can read or change, and that is good for one context only. */
export interface Seal {
  seal(text: string, context: string): string
  /** `null` for anything that was not sealed for this context, with one of the secrets. */
  unseal(sealed: string, context: string): string | null
}

const version = 1
const saltLength = 16
const nonceLength = 12
const tagLength = 16
const headLength = 1 + saltLength + nonceLength

/**
 * AES-256-GCM, under a key that is derived from the secret for a purpose (HKDF, RFC 5869) and from a fresh salt for each
 * text, so that random nonces never run out for a secret. The context is bound as associated data.
 *
 * @throws `invalid_option` for a secret that is short or well known
 */
export function createSeal(secrets: Secrets, purpose: string): Seal {
  const keys = checkedSecrets(secrets, 'secrets').map((secret) =>
    keyObject(hkdfSync('sha256', secret, '', `sojourn ${purpose} ${version}`, 32)),
  )
  const [sealingKey] = keys as [KeyObject]
  return {
    seal(text, context) {
      const random = Buffer.from(randomText(saltLength + nonceLength), 'base64url')
      const cipher = createCipheriv('aes-256-gcm', keyOfText(sealingKey, random), random.subarray(saltLength))
      cipher.setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(version), random, body, cipher.getAuthTag()]).toString('base64url')
    },

    unseal(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64url')
      if (bytes[0] !== version || bytes.length < headLength + tagLength) return null
      // Base64 skips what it does not know, and leaves bits of the last character unused: a change there would go unseen.
      if (bytes.toString('base64url') !== sealed) return null
      for (const key of keys) {
        const text = opened(bytes, key, context)
        if (text !== null) return text
      }
      return null
    },
  }
}

/** How many characters a text takes when it is sealed. */
export function sealedLength(text: string): number {
  return Math.ceil(((headLength + Buffer.byteLength(text) + tagLength) * 4) / 3)
}

/** `random` is a salt and a nonce. */
function keyOfText(key: KeyObject, random: Buffer): KeyObject {
  return keyObject(createHmac('sha256', key).update(random.subarray(0, saltLength)).digest())
}

/** Node 24 takes five times as long with the same key as bytes. */
function keyObject(bytes: ArrayBuffer | Buffer): KeyObject {
  return createSecretKey(new Uint8Array(bytes))
}

function opened(bytes: Buffer, key: KeyObject, context: string): string | null {
  const random = bytes.subarray(1, headLength)
  const decipher = createDecipheriv('aes-256-gcm', keyOfText(key, random), random.subarray(saltLength))
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagLength))
  try {
    const body = decipher.update(bytes.subarray(headLength, bytes.length - tagLength))
    return Buffer.concat([body, decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
