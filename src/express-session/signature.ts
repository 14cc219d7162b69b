/**
 * Signed values, as `express-session` and `cookie-parser` write them: `<value>.<HMAC-SHA256 of it, base64 without padding>`.
 *
 * @module
 */

import { createHmac, hash, type KeyObject, timingSafeEqual } from 'node:crypto'

/** Whatever `crypto.createHmac` takes as its key, in the types of Node 20 to 26. */
export type Secret = string | ArrayBufferLike | NodeJS.ArrayBufferView | KeyObject

/** The value with its signature. Throws where `express-session` would: the value is no string, the secret is missing. */
export function sign(value: string, secret: Secret): string {
  if (typeof value !== 'string') throw new TypeError('Cookie value must be provided as a string.')
  if (secret === null || secret === undefined) throw new TypeError('Secret key must be provided.')
  const mac = createHmac('sha256', secret as string)
    .update(value)
    .digest('base64')
  // 32 bytes always end in exactly one padding character.
  return `${value}.${mac.slice(0, -1)}`
}

/**
 * Values whose signature was found good, and what signed them: a visitor brings the same cookie with each request, and an
 * HMAC costs more than all else that is done with it. Only what is genuine is kept, and not for long on a busy server; by
 * its digest, so that a look-up takes the same time whatever a stranger guesses.
 */
const known = new Map<string, { readonly value: string; readonly secret: Secret }>()
const maxKnown = 2000

/** The value that one of the secrets signed, or undefined. */
export function unsign(signed: string, secrets: readonly Secret[]): string | undefined {
  const digest = hash('sha256', signed)
  const before = known.get(digest)
  if (before && secrets.includes(before.secret)) return before.value
  const value = signed.slice(0, signed.lastIndexOf('.'))
  for (const secret of secrets) {
    if (!isSame(sign(value, secret), signed)) continue
    // The oldest is the first.
    if (known.size === maxKnown) known.delete(known.keys().next().value as string)
    known.set(digest, { value, secret })
    return value
  }
  return undefined
}

function isSame(expected: string, given: string): boolean {
  const left = Buffer.from(expected)
  const right = Buffer.from(given)
  return left.length === right.length && timingSafeEqual(left, right)
}
