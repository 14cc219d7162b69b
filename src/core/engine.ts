import type { AcceptedSessions } from './accepted-sessions.js'
import type { CookieStore } from './cookie-store.js'
import { SojournError } from './errors.js'
import type { Events } from './events.js'
import { after, type GuardedStore, guardStore } from './guarded-store.js'
import type { Settings } from './options.js'
import { isOwnName } from './own-names.js'
import type { RequestFacts } from './request-facts.js'
import { type Awaitable, isPromise, type SessionPatch, type SessionStore } from './store.js'
import type { Turns } from './turns.js'

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
  readonly turns: Turns
  /** Has `close` wait for work that calls the store. */
  track<Work extends Awaitable<unknown>>(work: Work): Work
  /** Tells the operator of what keeps sessions from being stored: the first time only. */
  warnOnce(message: string): void
}

/** An engine over one session that travels in the cookies of a response. */
export function engineOver(session: SessionStore, engine: Engine, request: RequestFacts): Engine {
  const { settings, events } = engine
  const store = guardStore(session, settings.storeTimeout, events)
  let last: Awaitable<unknown>
  /** Each change is of the whole that the one before has left. */
  function inOrder<T>(change: () => Awaitable<T>): Awaitable<T> {
    const done = isPromise(last) ? last.then(change, change) : change()
    last = done
    return done
  }

  return {
    ...engine,
    store: {
      ...store,
      create: (id, record) => inOrder(() => store.create(id, record)),
      delete: (id) => inOrder(() => store.delete(id)),
      patch: (id, patch) =>
        inOrder(() => {
          // Most changes are refused as they are made. That of an object in hand is seen only now.
          refuseLate(request, patch)
          return after(store.patch(id, patch), (outcome) => {
            refuseLate(request, patch)
            return outcome
          })
        }),
    },
  }
}

function refuseLate(request: RequestFacts, patch: SessionPatch): void {
  if (!request.headIsOut || !changesValues(patch)) return
  throw new SojournError(
    'headers_sent',
    'A change came after the response had begun, so its cookie cannot be sent. Make it before the first byte',
  )
}

function changesValues({ set = {}, unset = [] }: SessionPatch): boolean {
  return [...Object.keys(set), ...unset].some((name) => !isOwnName(name))
}
