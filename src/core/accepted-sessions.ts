import { SojournError } from './errors.js'
import { guardStore } from './guarded-store.js'
import type { Awaitable, SessionRecord } from './store.js'

/** Sessions of another library, whose visitors are taken over. `expressSessionCookie` makes one. */
export interface AcceptedSessions {
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

/** Checks the `accept` option, and bounds its calls as those of the store. */
export function acceptedOf(
  accept: AcceptedSessions | undefined,
  timeLimit: number,
  failed: (operation: string, error: unknown) => void,
): AcceptedSessions | null {
  if (accept === undefined) return null
  if (typeof accept?.find !== 'function') {
    throw new SojournError(
      'invalid_option',
      "accept must be what expressSessionCookie() of 'sojourn/express-session' makes",
    )
  }
  const { find } = accept
  const readOnly = () => false as never
  const guarded = guardStore(
    { read: (id) => accept.read(id), delete: (id) => accept.end(id), create: readOnly, patch: readOnly },
    timeLimit,
    failed,
  )
  return { find, read: (id) => guarded.read(id) as Awaitable<AcceptedRecord | null>, end: (id) => guarded.delete(id) }
}
