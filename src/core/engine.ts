import type { AcceptedSessions } from './accepted-sessions.js'
import type { CookieStore, SealedSession } from './cookie-store.js'
import type { Events } from './events.js'
import { type GuardedStore, guardStore } from './guarded-store.js'
import type { Settings } from './options.js'
import type { RequestFacts } from './request-facts.js'
import type { Awaitable } from './store.js'
import type { InTurn } from './turns.js'

/** What every visit shares. */
export interface Engine {
  readonly settings: Settings
  /** Where a visit's session is. */
  readonly store: GuardedStore
  /** What all visits share: the same, unless sessions travel in cookies. */
  readonly serverStore: GuardedStore
  /** Seals sessions into cookies, where that is how they are kept. */
  readonly cookieStore: CookieStore | null
  /** Sessions of another library that are taken over. */
  readonly accepted: AcceptedSessions | null
  readonly events: Events
  readonly inTurn: InTurn
  /** Has `close` wait for work that calls the store. */
  track<Work extends Awaitable<unknown>>(work: Work): Work
  /** Tells the operator of what keeps sessions from being stored: the first time only. */
  warnOnce(message: string): void
}

/** An engine over one session that travels in the cookies of a response. */
export function engineOver(session: SealedSession, engine: Engine, request: RequestFacts): Engine {
  const { settings, events } = engine
  return { ...engine, store: session.inOrder(guardStore(session, settings.storeTimeout, events), request) }
}
