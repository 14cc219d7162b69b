import { channel } from 'node:diagnostics_channel'
import { oneOf, refuseOtherThanFunction } from './option-checks.js'
import { callListener } from './warning.js'

/** Why a session ended. */
export type EndReason = 'destroyed' | 'regenerated' | 'replaced' | 'revoked' | 'limit'

/**
 * Why a presented token was not accepted. `stale_token` is a sign of theft: it was replaced, and its successor used. One from
 * before two renewals is a `wrong_secret`.
 */
export type RefusalReason = 'unknown_id' | 'wrong_secret' | 'stale_token' | 'expired' | 'corrupt_record'

/** What happened, by name. Every event carries the session's id, which is no secret, and never a token. */
export interface SessionEvents {
  /** A session was stored for the first time. */
  created: { id: string; userId: string | null; at: number }
  /** Somebody signed in, or again. */
  signedIn: { id: string; userId: string; at: number; method: string | null; remembered: boolean }
  /** A session got a new token. */
  renewed: { id: string; userId: string | null; at: number; scheduled: boolean }
  /** A session was ended. */
  ended: { id: string; userId: string | null; at: number; reason: EndReason }
  /** A token of the right shape was not accepted; repeated ones may be guesses. */
  refused: { id: string; at: number; reason: RefusalReason; address: string | null }
  /** A change was not written, because its session had ended or was given a new token meanwhile. */
  writeDropped: { id: string; at: number; reason: 'ended' | 'token_replaced'; names: readonly string[] }
  /** A signed-in session came from another device or network than before. Parallel requests may each tell of it. */
  bindingChanged: { id: string; userId: string; at: number; changes: readonly ('device' | 'network')[] }
  /** The store failed, took too long, or is `store_misconfigured`. */
  outage: { at: number; operation: string; error: unknown }
  /** A request carried two valid cookies of a name that others can set too; neither was trusted. */
  sameNameCookies: { at: number; ids: readonly string[] }
}

/** The name of an event. */
export type SessionEventName = keyof SessionEvents

const names = Object.keys({
  created: true,
  signedIn: true,
  renewed: true,
  ended: true,
  refused: true,
  writeDropped: true,
  bindingChanged: true,
  outage: true,
  sameNameCookies: true,
} satisfies { readonly [Name in SessionEventName]: true }) as [SessionEventName, ...SessionEventName[]]

/** What `sessions.on` calls. */
export type SessionEventListener<Name extends SessionEventName> = (event: SessionEvents[Name]) => void

/** Tells listeners, and the `node:diagnostics_channel` of the name `sojourn:<event>`, what happened. */
export interface EventSource {
  /**
   * Calls `listener` for each event of that name, until the returned function is called. What it throws harms nobody.
   * @throws `invalid_option` for a name that no event has, and for a listener that is no function
   */
  on<Name extends SessionEventName>(name: Name, listener: SessionEventListener<Name>): () => void
}

export interface Events extends EventSource {
  /** `at` is now, unless the event says otherwise. */
  emit<Name extends SessionEventName>(name: Name, event: Omit<SessionEvents[Name], 'at'> & { at?: number }): void
}

export function createEvents(clock: () => number): Events {
  const listeners = new Map<string, Set<(event: never) => void>>()
  return {
    on(name, listener) {
      // As text, so that one which is left out is refused like any other.
      oneOf(String(name), names, 'The event of sessions.on()')
      const what = `The listener of sessions.on('${name}')`
      refuseOtherThanFunction(what, listener)
      // One for each call: two parts of an app may listen with the same function, and one of them stop.
      const called = (event: never) => callListener(what, () => listener(event))
      const ofName = listeners.get(name) ?? new Set()
      listeners.set(name, ofName.add(called))
      return () => void ofName.delete(called)
    },
    emit(name, facts) {
      const event = { at: clock(), ...facts }
      for (const called of listeners.get(name) ?? []) called(event as never)
      const diagnostics = channel(`sojourn:${name}`)
      if (diagnostics.hasSubscribers) diagnostics.publish(event)
    },
  }
}
