import { after, guardStore } from '../core/guarded-store.js'
import { type Duration, milliseconds } from '../core/lifetime.js'
import { refuseOption, refuseOtherThanFunction, refuseUnknownOptions } from '../core/option-checks.js'
import { isOwnName } from '../core/own-names.js'
import { type Awaitable, isPromise, type SessionPatch, type SessionRecord, type SessionStore } from '../core/store.js'
import { createSweeper } from '../core/sweeper.js'
import { defer } from './defer.js'
import { cookieName, endOf, sessionOf, textsOf } from './record-texts.js'
import type { Callback, Session, SessionHolder } from './session.js'
import type { SessionData } from './session-data.js'
import { withKey } from './session-key.js'
import { Store } from './store.js'

/** What `toConnectStore` takes beside the store. */
export interface ToConnectStoreOptions {
  /** How long a session may lie unused whose cookie has no lifetime of its own. Default `'24h'`. */
  idle?: Duration
  /** The clock, in milliseconds since the epoch; for tests. Default `Date.now`. */
  clock?: () => number
}

/**
 * A store of Sojourn, to be used by `sojourn/express-session` or by `express-session` itself. What a request changed is
 * written, not the whole session, so that parallel requests that change different values keep both changes, and a session
 * that was destroyed meanwhile stays so. The store is given the SHA-256 of a session id, never the id.
 *
 * `all` (a list), `length` and `clear` are there where the store can list. What expired is swept where the store asks
 * for it.
 *
 * @throws `invalid_option` for another store, a duration that is none, and an option that is unknown
 */
export function toConnectStore(
  store: SessionStore,
  options: ToConnectStoreOptions = {},
): Store & StoreOfExpressSession {
  if (typeof store?.patch !== 'function') {
    refuseOption('What toConnectStore() is given', 'a store on the server, such as sqliteStore()', store)
  }
  refuseUnknownOptions('toConnectStore', options, ['idle', 'clock'])
  const { clock = () => Date.now() } = options
  refuseOtherThanFunction('clock', clock)
  const made: Store = new PatchingStore(store, milliseconds(options.idle ?? '24h', 'idle'), clock)
  return made as Store & StoreOfExpressSession
}

/** For `express-session` itself, whatever values an app says to its types that sessions hold. */
export interface StoreOfExpressSession {
  load<Data>(id: string, callback: (error: unknown, session?: Data) => void): void
  createSession<Data>(request: SessionHolder, record: Data): Session & Data
  get<Data>(id: string, callback: (error: unknown, record?: Data | null) => void): void
  all?<Data>(callback: (error: unknown, records?: Data[] | { [id: string]: Data } | null) => void): void
}

/** What a record of a session holds. */
interface Written {
  readonly texts: Readonly<Record<string, string>>
  readonly expiresAt: number
}

/** What the store is known to hold of a session, under its id. */
interface Known extends Written {
  readonly id: string
}

type Told<T> = (error: unknown, result?: T | undefined) => void

class PatchingStore extends Store {
  readonly #store: SessionStore
  readonly #idle: number
  readonly #clock: () => number
  readonly #startSweeping: () => void
  /** By the session's own object, so that two requests with the same session each know what they read. */
  readonly #known = new WeakMap<object, Known>()
  /** The last write of a session that is under way. What the next one writes depends on what that one wrote. */
  readonly #writing = new WeakMap<object, Promise<unknown>>()

  constructor(store: SessionStore, idle: number, clock: () => number) {
    super()
    this.#store = store
    this.#idle = idle
    this.#clock = clock
    const ignore = () => {}
    const sweeper = createSweeper(guardStore(store, 60_000, { emit: ignore }), clock)
    this.#startSweeping = store.sweep ? () => sweeper.start() : ignore
    if (store.list) Object.assign(this, listing(store as ListingStore, clock))
  }

  get(id: string, told: Told<SessionData | null>): void {
    tell(told, () =>
      withKey(id, (key) => after(this.#store.read(key), (record) => (record ? this.#open(id, record) : null))),
    )
  }

  override createSession(...[request, record]: Parameters<Store['createSession']>) {
    const session = super.createSession(request, record)
    const known = this.#known.get(record)
    if (known) this.#known.set(session, known)
    return session
  }

  set(id: string, session: SessionData, told?: Callback): void {
    this.#startSweeping()
    tell(told, () => {
      const next = { id, texts: textsOf(session), expiresAt: this.#expiryOf(session) }
      return this.#inTurn(session, () => {
        const known = this.#known.get(session)
        const isOwn = known?.id === id
        return withKey(id, (key) =>
          after(isOwn ? this.#patch(key, known, next, 'set') : this.#write(key, next), () => {
            // A copy under another id leaves open what of the session itself is to be written.
            if (!known || isOwn) this.#known.set(session, next)
          }),
        )
      })
    })
  }

  override touch(id: string, session: SessionData, told?: Callback): void {
    tell(told, () => {
      const cookie = textsOf({ cookie: session.cookie })
      const expiresAt = this.#expiryOf(session)
      return this.#inTurn(session, () => {
        const before = this.#known.get(session)
        const known = before?.id === id ? before : undefined
        const next = { id, texts: { ...known?.texts, ...cookie }, expiresAt }
        return withKey(id, (key) =>
          after(this.#patch(key, known ?? { texts: {}, expiresAt: 0 }, next, 'touch'), () => {
            if (known) this.#known.set(session, next)
          }),
        )
      })
    })
  }

  destroy(id: string, told?: Callback): void {
    tell(told, () => withKey(id, (key) => after(this.#store.delete(key), () => undefined)))
  }

  #inTurn(session: object, write: () => Awaitable<void>): Awaitable<void> {
    const before = this.#writing.get(session)
    const written = before ? before.then(write) : write()
    if (isPromise(written))
      this.#writing.set(
        session,
        Promise.resolve(written).catch(() => {}),
      )
    return written
  }

  #open(id: string, record: SessionRecord): SessionData | null {
    if (!isSession(record, this.#clock())) return null
    const session = sessionOf(record)
    this.#known.set(session, { id, texts: record.values, expiresAt: record.expiresAt })
    return session
  }

  #expiryOf(session: SessionData): number {
    return endOf(session) ?? this.#clock() + this.#idle
  }

  /** Writes what differs. Where the session is gone there is nothing to write any more. */
  #patch(key: string, known: Written, next: Written, call: 'set' | 'touch'): Awaitable<unknown> {
    const patch: SessionPatch = { now: this.#clock() }
    const set = Object.entries(next.texts).filter(([name, text]) => known.texts[name] !== text)
    const unset = Object.keys(known.texts).filter((name) => !Object.hasOwn(next.texts, name) && isOfSession(name))
    if (set.length > 0) patch.set = Object.fromEntries(set)
    if (unset.length > 0) patch.unset = unset
    if (known.expiresAt !== next.expiresAt) patch.expiresAt = next.expiresAt
    if (Object.keys(patch).length === 1) return undefined
    // With `resave` each view is a write, also to fromConnectStore: the store below may do nothing at a touch.
    if (call === 'set') patch.set ??= {}
    return this.#store.patch(key, patch)
  }

  /** Writes a session whole, over whatever is there: one that is new, or that its writer did not read here. */
  #write(key: string, { texts, expiresAt }: Written): Awaitable<unknown> {
    const record = { values: { ...texts }, userId: null, createdAt: this.#clock(), expiresAt }
    return after(
      this.#store.create(key, record),
      (created) => created || after(this.#store.read(key), (present) => this.#replace(key, present, record)),
    )
  }

  #replace(key: string, present: SessionRecord | null, record: SessionRecord): Awaitable<unknown> {
    if (present && present.expiresAt > this.#clock()) {
      return this.#patch(
        key,
        { texts: present.values, expiresAt: present.expiresAt },
        { ...record, texts: record.values },
        'set',
      )
    }
    return after(this.#store.delete(key), () => this.#store.create(key, record))
  }
}

type ListingStore = SessionStore & Required<Pick<SessionStore, 'list'>>

function listing(store: ListingStore, clock: () => number): Partial<Store> {
  async function each(visit: (id: string, record: SessionRecord) => Awaitable<unknown>): Promise<void> {
    const limit = 500
    for (let after: string | undefined, isLast = false; !isLast; ) {
      const page = await store.list(after === undefined ? { limit } : { limit, after })
      for (const [id, record] of page) if (isSession(record, clock())) await visit(id, record)
      after = page.at(-1)?.[0]
      isLast = page.length < limit
    }
  }
  return {
    all(told) {
      const sessions: SessionData[] = []
      tell(told, async () => {
        await each((_id, record) => sessions.push(sessionOf(record)))
        return sessions
      })
    },
    length(told) {
      let length = 0
      tell(told, async () => {
        await each(() => length++)
        return length
      })
    },
    clear(told) {
      tell(told, async () => {
        await each((id) => store.delete(id))
        return undefined
      })
    },
  }
}

/** Whether a record is a living session of express-session: the engine may keep its own in the same store. */
function isSession({ values, expiresAt }: SessionRecord, now: number): boolean {
  return expiresAt > now && Object.hasOwn(values, cookieName)
}

/** Whether a value is one that `textsOf` makes, and not the engine's. */
function isOfSession(name: string): boolean {
  return name === cookieName || !isOwnName(name)
}

/** Calls back with what comes of the work: at once where the work is done at once, and never twice. */
function tell<T>(told: Told<T> | undefined, work: () => Awaitable<T>): void {
  let result: Awaitable<T>
  try {
    result = work()
  } catch (error) {
    told?.(error)
    return
  }
  if (!isPromise(result)) told?.(null, result)
  // On a turn of its own, where what a callback throws is not taken for a failure of the store.
  else if (told)
    result.then(
      (value) => defer(told, null, value),
      (error) => defer(told, error),
    )
  else result.then(undefined, () => {})
}
