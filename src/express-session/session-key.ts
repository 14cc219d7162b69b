/**
 * Under which id a session of express-session is kept. Its own id is a secret, which a store of Sojourn never sees; a
 * connect-style store below, which has kept its sessions under that very id for years, must see it.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { type Awaitable, isPromise } from '../core/store.js'

/** Session ids by key, and how many calls are under way with each. */
const known = new Map<string, { readonly sessionId: string; calls: number }>()

/** Calls with the key of a session id: its SHA-256. Until the call is over, `sessionIdOf` knows the id. */
export function withKey<T>(sessionId: string, call: (key: string) => Awaitable<T>): Awaitable<T> {
  const key = createHash('sha256').update(sessionId).digest('base64url')
  const entry = known.get(key) ?? { sessionId, calls: 0 }
  entry.calls++
  known.set(key, entry)
  const forget = () => {
    entry.calls--
    if (entry.calls === 0) known.delete(key)
  }
  let isLater = false
  try {
    const result = call(key)
    isLater = isPromise(result)
    if (isLater) (result as PromiseLike<T>).then(forget, forget)
    return result
  } finally {
    if (!isLater) forget()
  }
}

/** The session id whose key this is, or the key itself if it is none. */
export function sessionIdOf(key: string): string {
  return known.get(key)?.sessionId ?? key
}
