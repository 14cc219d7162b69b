import type { Events } from './events.js'
import type { GuardedStore } from './guarded-store.js'
import type { Lifetime } from './lifetime.js'
import { refuse } from './option-checks.js'
import type { Awaitable, SessionRecord } from './store.js'
import type { Token } from './token.js'

/** Sessions of another library, whose visitors are taken over. `expressSessionCookie` makes one. */
export interface AcceptedSessions {
  /** The session of a `Cookie` header as it goes on here, and its token; `null` where there is none that lives. */
  continued(cookieHeader: string, engine: ContinuingEngine): Promise<Continued | null>
  /** For the doctor. A function, so that whoever prints this prints no secret. */
  signing(): CookieSigning
}

/** How the cookies of another library are signed. */
export interface CookieSigning {
  readonly secrets: readonly unknown[]
  /** Whether the session itself is signed, as by `cookie-session`, so that who knows a secret can make any; else its id. */
  readonly isOfSession?: boolean
}

/** What the engine lends to go on with a session. */
export interface ContinuingEngine {
  readonly store: GuardedStore
  readonly events: Events
  readonly settings: { readonly lifetime: Lifetime; readonly storeTimeout: number; clock(): number }
}

export interface Continued {
  readonly token: Token
  readonly record: SessionRecord
}

/** Where the sessions of another library are. */
export interface AcceptedSource extends CookieSigning {
  /**
   * The session whose cookie is in a `Cookie` header and genuine: its id there, and the token under which it goes on, 64
   * base64url characters that only the server can derive from the cookie, and that are the same each time.
   */
  find(cookieHeader: string): { id: string; token: string } | null
  read(id: string): Awaitable<AcceptedRecord | null>
  /** Ends a session there. Resolves to whether there was one. */
  end(id: string): Awaitable<boolean>
}

/** A session as it is to go on. */
export interface AcceptedRecord extends SessionRecord {
  /** Whether its cookie was to outlive the browser. */
  remember: boolean
}

/** Checks the `accept` option. Throws `invalid_option`. */
export function acceptedOf(accept: AcceptedSessions | undefined): AcceptedSessions | null {
  if (accept === undefined) return null
  if (typeof accept?.continued === 'function') return accept
  refuse("accept must be what expressSessionCookie() or cookieSessionCookie() of 'sojourn/express-session' makes")
}
