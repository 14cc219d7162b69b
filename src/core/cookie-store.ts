import type { CookieForm } from './cookie.js'
import { SojournError } from './errors.js'
import type { GuardedStore } from './guarded-store.js'
import type { RequestFacts } from './request-facts.js'
import type { SessionStore } from './store.js'
import type { Token } from './token.js'

/** Keeps whole sessions in the client's cookie, sealed. Made by `cookieStore` of `sojourn/stores/cookie`. */
export interface CookieStore {
  /** Where a small record of each session is kept, so that it can be ended from the server. */
  readonly revocation: SessionStore | null
  /** The session of one request. */
  session(form: CookieForm): SealedSession
}

/** One session that travels in cookies. It is the store of its visit. */
export interface SealedSession extends SessionStore {
  /**
   * Opens what a `Cookie` header holds. No token where there is nothing that this server sealed, and `null` where there are two
   * sessions that live at that time, of a name that others can set too: neither is trusted.
   */
  open(header: string, now: number): Token[] | null
  /**
   * The `Set-Cookie` values after a commit: where the session changed, or its token did, as for a client that missed the
   * response of a renewal. Throws `cookie_too_large`.
   */
  setCookies(token: Token | null, seconds: number | undefined, isNewToken: boolean): string[]
  /**
   * This store, as its visit calls it: one change after the other, and no value is changed once the response has begun, which
   * throws `headers_sent`.
   */
  inOrder(store: GuardedStore, request: RequestFacts): GuardedStore
  /** What a client sends in a `Cookie` header, for one form of the cookie. */
  cookiePairs(token: Token, form: CookieForm): string[]
}

export function isCookieStore(store: SessionStore | CookieStore | undefined): store is CookieStore {
  return typeof (store as Partial<CookieStore> | undefined)?.session === 'function'
}

/** What sealed sessions can be asked for without their cookie: nothing, unless there is a revocation store. */
export function serverSide({ revocation }: CookieStore): SessionStore {
  if (revocation) return revocation
  const refuse = (): never => {
    throw new SojournError(
      'unsupported',
      'A session in a cookie is not on the server: give cookieStore() a revocation store to list and to end sessions',
    )
  }
  return { read: refuse, create: refuse, patch: refuse, delete: refuse }
}
