import type { Visit } from './visit.js'

/** What a page may know of its visitor's session. */
export interface SessionStatus {
  /** Whether somebody is signed in. */
  readonly signedIn: boolean
  /**
   * When they signed in, or were taken over by `accept`, in milliseconds since the epoch; `null` for a guest. Another time may
   * be another user.
   */
  readonly signedInAt: number | null
  /** Milliseconds until the session ends if it is not used; `null` where there is none. */
  readonly expiresIn: number | null
}

export function statusOf(visit: Visit): SessionStatus {
  // To ask is no use of the session: neither does its expiry move, nor is its token renewed.
  visit.isActivity = false
  if (visit.intentions.tokenChange === 'scheduled') visit.plan({ tokenChange: 'none' })
  visit.noStore = true
  visit.wasUsed = true
  const { held, engine, userId, signedIn } = visit
  return {
    signedIn: userId !== null,
    signedInAt: signedIn?.at ?? null,
    expiresIn: held ? Math.max(0, held.record.expiresAt - engine.settings.clock()) : null,
  }
}
