import { SojournError } from './errors.js'
import type { SessionStore } from './store.js'

/** Keeps whole sessions in the client's cookie, sealed. Made by `cookieStore` of `sojourn/stores/cookie`. */
export interface CookieStore {
  /** Text that only `unseal` can read, and nobody can change; good for this `context` only. */
  seal(text: string, context: string): string
  /** `null` for anything that was not sealed for this context. */
  unseal(sealed: string, context: string): string | null
  /** Where a small record of each session is kept, so that it can be ended from the server. */
  readonly revocation: SessionStore | null
}

export function isCookieStore(store: SessionStore | CookieStore | undefined): store is CookieStore {
  return typeof (store as Partial<CookieStore> | undefined)?.unseal === 'function'
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
