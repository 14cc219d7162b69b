/**
 * Sessions in the visitor's own cookie, sealed.
 *
 * @module
 */

import type { CookieStore } from '../core/cookie-store.js'
import { refuseOption, refuseUnknownOptions } from '../core/option-checks.js'
import { createSeal } from '../core/seal.js'
import type { Secrets } from '../core/secrets.js'
import type { SessionStore } from '../core/store.js'
import { SessionInCookies } from './cookie/sealed-session.js'

export type { CookieStore } from '../core/cookie-store.js'

/** What `cookieStore` takes. `secrets` is needed. */
export interface CookieStoreOptions {
  /**
   * At least 32 random characters. Several, to rotate: the first seals, all open. Add the new one at the end, move it to
   * the front when every process has it, and drop the old one when its sessions have expired.
   */
  secrets: Secrets
  /**
   * Where a small record of each session is kept, so that it can be ended from the server. In clear: its digest, owner and
   * expiry, when and how the user signed in, and their `User-Agent` and address unless `device` and `address` are `false`.
   * Without it a copied cookie stays good until it expires, even after a logout (ASVS 7.4.1 asks for this).
   */
  revocation?: SessionStore
}

/**
 * Keeps the whole session in the cookie, sealed with AES-256-GCM for this cookie's name: up to about 8 KB of plain text in
 * at most three cookies, or 6 KB of objects as JSON, for each quote counts twice.
 *
 * Not for sessions that parallel requests change: the response that arrives last decides what the browser keeps. Nor for
 * one-time codes, counts of tries or credit: who kept an older cookie of the session brings its values back, also where
 * there is `revocation`.
 *
 * @throws `invalid_option` for a secret that is short or well known, and for an option that is unknown or wrong
 */
export function cookieStore(options: CookieStoreOptions): CookieStore {
  refuseUnknownOptions('cookieStore', options, ['secrets', 'revocation'])
  const { secrets, revocation } = options ?? ({} as CookieStoreOptions)
  if (revocation !== undefined && typeof revocation?.patch !== 'function') {
    refuseOption('revocation', 'a store', revocation)
  }
  const seal = createSeal(secrets, 'cookie')
  const kept = revocation ?? null
  return { revocation: kept, session: (form) => new SessionInCookies(seal, kept, form) }
}
