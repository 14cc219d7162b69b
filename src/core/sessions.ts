import { acceptedOf } from './accepted-sessions.js'
import { commit } from './commit.js'
import { directHost } from './cookie.js'
import { isCookieStore, serverSide } from './cookie-store.js'
import type { Engine } from './engine.js'
import { createEvents, type EventSource } from './events.js'
import { createFollowing, type Following } from './following.js'
import { guardStore, sessionsClosed } from './guarded-store.js'
import { load } from './load.js'
import { memoryStore } from './memory-store.js'
import { refuseOption, refuseUnknownOptions } from './option-checks.js'
import { type SessionsOptions, type Settings, settingsOf } from './options.js'
import type { RequestFacts } from './request-facts.js'
import { finishHead, type ResponseHeaders, sessionCookies } from './response-head.js'
import type { Session, SessionData } from './session.js'
import { sessionOf, visitBehind } from './session-object.js'
import { type SignInOptions, signInOptionsOf, userIdText } from './sign-in.js'
import { type SessionStatus, statusOf } from './status.js'
import { type Awaitable, isPromise, type SessionStore } from './store.js'
import { createSweeper } from './sweeper.js'
import { type Token, tokenText } from './token.js'
import { headerValue } from './transport.js'
import { createTurns } from './turns.js'
import {
  endAllSessions,
  endSession,
  exceptOf,
  listSessions,
  type PageOptions,
  type SessionPage,
} from './user-sessions.js'
import { Visit } from './visit.js'
import { warn } from './warning.js'

/** The sessions of an app. Made by {@link createSessions}. */
export interface Sessions<Data = SessionData> extends EventSource {
  /**
   * Finds the session of a request. For writing an adapter: the adapters that come with Sojourn call it for you.
   * @throws `store_unavailable` unless `onStoreError` is `'anonymous'`; `cross_origin` for what `crossOrigin` refuses; `closed`
   */
  load(request: LoadRequest): Promise<Session<Data>>
  /**
   * Carries out what a handler intended with a session, and resolves to the `Set-Cookie` values that the response must
   * carry. For writing an adapter; call it before the first byte of the response.
   *
   * @param headers the response's, such as a `Headers` of the fetch standard: all that the session has to say is then
   * written there, also a token where `transport` names a header for it, and the result is empty
   * @throws what `session.save()` throws; `invalid_value` for what is no session
   */
  commit(session: Session<Data>, headers?: ResponseHeaders): Promise<string[]>
  /**
   * The status of a session, for a route that a page asks how much time is left, such as `sojourn/client` does. Asking
   * does not count as activity: the expiry stays where it is, as long as the handler changes nothing. The response is
   * not kept (`Cache-Control: no-store`).
   */
  status(session: Session<Data>): SessionStatus
  /**
   * Makes a stored session, for tests and jobs. `headers` are request headers that present it; `cookie` is the `Cookie`
   * header among them, empty where `transport` names another.
   * @throws `invalid_option`, `invalid_value` and `reserved_name` for what cannot be given; `session_limit`, `record_too_large`,
   * `cookie_too_large`, `contention`, `store_unavailable`; `closed`
   */
  create(
    given?: { userId?: string | number | bigint; values?: Partial<Data> } & SignInOptions,
  ): Promise<{ session: Session<Data>; cookie: string; headers: Record<string, string> }>
  /**
   * A page of living sessions, of one user or of all.
   * @throws `unsupported` where the store cannot list; `invalid_option` and `invalid_value` for a page or a user that
   * cannot be, such as a `userId` that is there but undefined; `store_unavailable`; `closed`
   */
  list(page?: PageOptions): Promise<SessionPage>
  /**
   * Ends a session. Resolves to whether there was one. With `userId` it ends the session only if it is that user's, so
   * that an id from a request can be passed as it came.
   * @throws `invalid_value` for what cannot be a user id; `store_unavailable`; `closed`
   */
  end(id: string, owner?: { userId: string | number | bigint }): Promise<boolean>
  /**
   * Ends every session of a user, also those that begin meanwhile, but for the one named: after a change of password or
   * of a factor, or when an account is disabled (ASVS 7.4.2, 7.4.3). Resolves to how many there were.
   * @throws `unsupported` where the store cannot list; `invalid_value` for what cannot be a user id, `invalid_option` for other
   * options; `store_unavailable`; `closed`
   */
  endAll(userId: string | number | bigint, options?: { except?: string }): Promise<number>
  /**
   * Calls `ended` once when a session has ended or expired, or was taken over by another user: for connections that
   * outlive their request, such as Server-Sent Events. Known at once in this process, and within a second in others where
   * the store can `watch`; else, and where it was a guest's and somebody signed in there, within five seconds. Returns a
   * function that stops it. A session that is not stored never ends: where this request begins it, `await session.save()`
   * first.
   * @throws `invalid_option` for what is no function, and for a sign-in that is to begin a session and is not saved yet
   */
  follow(session: Session<Data>, ended: () => void): () => void
  /**
   * Removes sessions that expired at least five minutes ago; runs by itself. Resolves to how many went: to 0 where the backend
   * expires by itself.
   * @throws `store_unavailable`; `closed`
   */
  sweep(): Promise<number>
  /** Waits for what is under way, stops sweeping, and closes what the store opened. */
  close(): Promise<void>
}

/** Sessions, whatever their values. */
export type AnySessions = Omit<Sessions, 'load' | 'commit' | 'status' | 'create' | 'follow'>

/** What tells the session of a request. */
export interface LoadRequest {
  /** The `Cookie` header. Default: that of `headers`. */
  readonly cookie?: string | undefined
  /** The request's headers: by their names, as Node has them, or as `Headers`. */
  readonly headers?:
    | { readonly [name: string]: string | readonly string[] | undefined }
    | Iterable<readonly [name: string, value: string]>
  /**
   * The method, in capitals: with `crossOrigin` only GET, HEAD and OPTIONS may come from another origin, and what comes
   * without a method may not.
   */
  readonly method?: string | undefined
  /** Whether the request came over TLS. Default `true`. */
  readonly secure?: boolean
  /** The `Host` header: without TLS, only a loopback host has sessions. `crossOrigin` looks first in `headers`. */
  readonly host?: string | undefined
}

/** What an adapter calls. Answers at once where the store does. */
export interface Visits {
  readonly following: Following
  /** As checked; for the doctor. */
  readonly settings: Settings
  /** As given; for the doctor. */
  readonly options: SessionsOptions
  open(request: RequestFacts): Awaitable<Visit>
  /** The same, but `null` for a request that brings nothing: its visit may be opened later, or never. */
  openIfBrought(request: RequestFacts): Awaitable<Visit> | null
  /** Opens the visit of a request that brings nothing. */
  openEmpty(request: RequestFacts): Visit
  commit(visit: Visit): Awaitable<void>
}

const visitsOf = Symbol.for('sojourn.visits.1')

/**
 * Makes the sessions of an app.
 *
 * @throws `invalid_option` for an option that is unknown or wrong, and says what would be right
 */
export function createSessions<Data extends object = SessionData>(options: SessionsOptions = {}): Sessions<Data> {
  const settings = settingsOf(options)
  const given = options.store ?? firstTryStore()
  const cookieStore = isCookieStore(given) ? given : null
  const store = isCookieStore(given) ? serverSide(given) : given
  const events = createEvents(settings.clock)
  let hasWarned = false
  const guarded = guardStore(store, settings.storeTimeout, events, () => closing !== undefined)
  let underWay = 0
  let whenIdle = () => {}
  const engine: Engine = {
    settings,
    store: guarded,
    serverStore: guarded,
    cookieStore,
    accepted: acceptedOf(options.accept),
    events,
    inTurn: createTurns(),
    track,
    warnOnce(message) {
      if (!hasWarned) warn(message)
      hasWarned = true
    },
  }
  const sweeper = createSweeper(guarded, settings.clock)
  let closing: Promise<void> | undefined

  function track<Work extends Awaitable<unknown> | null>(work: Work): Work {
    if (!isPromise(work)) return work
    underWay++
    work.then(workIsDone, workIsDone)
    return work
  }

  function workIsDone(): void {
    if (--underWay === 0) whenIdle()
  }

  function refuseWhenClosed(): void {
    if (closing) throw sessionsClosed()
  }

  async function whileOpen<T>(work: () => Promise<T>): Promise<T> {
    refuseWhenClosed()
    return track(work())
  }

  /** There may soon be sessions that expire. */
  function beginToSweep(): void {
    refuseWhenClosed()
    if (store.sweep) sweeper.start()
  }

  const following = createFollowing(engine, store)
  const visits: Visits = {
    following,
    settings,
    options,
    open(request) {
      return visits.openIfBrought(request) ?? visits.openEmpty(request)
    },
    openIfBrought(request) {
      beginToSweep()
      return track(load(engine, request))
    },
    openEmpty: (request) => new Visit(engine, request),
    commit(visit) {
      return track(commit(visit))
    },
  }

  const sessions: Sessions<Data> = {
    on: events.on,

    async load({ headers = {}, cookie, secure = true, host, method } = {}) {
      const given = textsOf(headers)
      // HTTP/2 has a name of its own for the host.
      const header = (name: string) =>
        given.get(name) ?? (name === 'host' ? (given.get(':authority') ?? host) : undefined)
      const direct = directHost({ header }) && host
      return sessionOf<Data>(
        await visits.open({ ...nobody, cookie: cookie ?? header('cookie'), secure, host: direct, method, header }),
      )
    },

    async commit(session, headers) {
      const visit = visitBehind(session)
      await visits.commit(visit)
      if (headers) finishHead(visit, headers)
      const cookies = headers ? [] : sessionCookies(visit)
      visit.cookie = 'none'
      return cookies
    },

    status: (session) => statusOf(visitBehind(session)),

    async create(given = {}) {
      refuseUnknownOptions('sessions.create()', given, ['userId', 'values', 'remember', 'method'])
      const { userId, values = {}, ...signIn } = given
      if (typeof values !== 'object' || values === null) refuseOption('values', 'an object', values)
      beginToSweep()
      signInOptionsOf(signIn)
      const { transport } = settings
      const { secure, securely, plainly } = settings.cookie
      const form = secure === false ? plainly : securely
      const sealed = cookieStore?.session(form)
      const visit = new Visit(engine, { ...nobody, secure: form.secure }, form, sealed)
      const session = sessionOf<Data>(visit)
      Object.assign(session, values)
      visit.begin()
      // A user who turns out to be undefined is an error: the session must not come to be a guest's.
      if ('userId' in given) visit.signIn(userIdText(userId), signIn)
      await visits.commit(visit)
      const token = visit.token as Token
      if (transport) return { session, cookie: '', headers: { [transport.header]: headerValue(transport, token) } }
      const forms = secure === 'auto' ? [securely, plainly] : [form]
      const pairs = forms.flatMap((it) => (sealed ? sealed.cookiePairs(token, it) : `${it.name}=${tokenText(token)}`))
      const cookie = pairs.join('; ')
      return { session, cookie, headers: { cookie } }
    },

    list: (page = {}) => whileOpen(() => listSessions(engine, page)),
    end(id, owner) {
      return whileOpen(() => endSession(engine, id, owner === undefined ? undefined : userIdText(owner?.userId)))
    },
    endAll(userId, options = {}) {
      return whileOpen(() => endAllSessions(engine, userIdText(userId), exceptOf(options)))
    },

    follow: (session, ended) => following.follow(visitBehind(session), ended),

    sweep: () => whileOpen(async () => (store.sweep ? sweeper.sweep() : 0)),

    close() {
      closing ??= (async () => {
        await sweeper.stop()
        await following.close()
        while (underWay > 0) {
          await new Promise<void>((resolve) => {
            whenIdle = resolve
          })
        }
        await store.close?.()
      })()
      return closing
    },
  }
  Object.defineProperty(sessions, visitsOf, { value: visits })
  return Object.freeze(sessions)
}

/** What an adapter calls, of sessions or of options from which sessions are made. */
export function visitsFrom(sessions: AnySessions | SessionsOptions | undefined): Visits {
  const visits = (sessions as { [visitsOf]?: Visits } | undefined)?.[visitsOf]
  return visits ?? visitsFrom(createSessions(sessions as SessionsOptions))
}

/** A request of which nothing is known. */
const nobody: RequestFacts = {
  cookie: undefined,
  method: undefined,
  header: () => undefined,
  address: undefined,
  secure: true,
  host: undefined,
}

/** Headers by their names in lower case; of one that came several times, its values as one text. */
function textsOf(headers: NonNullable<LoadRequest['headers']>): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [name, value] of Symbol.iterator in headers ? headers : Object.entries(headers)) {
    const key = name.toLowerCase()
    if (value !== undefined) texts.set(key, [texts.get(key) ?? [], value].flat(2).join('; '))
  }
  return texts
}

let told = false

function firstTryStore(): SessionStore {
  const store = memoryStore()
  if (told) return store
  told = true
  const production = typeof process === 'object' && process.env?.NODE_ENV === 'production'
  warn(
    `${production ? 'NO STORE IS SET IN PRODUCTION: s' : 'S'}essions are kept in memory: lost when this process stops, and not shared with others. Give createSessions() a store, such as sqliteStore()`,
  )
  return store
}
