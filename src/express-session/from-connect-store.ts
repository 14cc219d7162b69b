import { type Duration, milliseconds } from '../core/lifetime.js'
import { refuseOption, refuseOtherThanFunction, refuseUnknownOptions } from '../core/option-checks.js'
import { isOwnName, oddNamePrefix } from '../core/own-names.js'
import { holds, isPromise, patched, type SessionPatch, type SessionRecord, type SessionStore } from '../core/store.js'
import { createTurns, type InTurn } from '../core/turns.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { Cookie, cookieOfRecord } from './cookie.js'
import { cookieName, endOf, sessionOf, textsOf } from './record-texts.js'
import type { SessionData } from './session-data.js'
import { sessionIdOf } from './session-key.js'

/** The part of a connect-style store that is called. */
export interface ConnectStoreCalls {
  // biome-ignore-start lint/suspicious/noExplicitAny: such stores name types of their own for sessions and errors.
  get(id: string, callback: (error: any, session?: any) => void): unknown
  set(id: string, session: any, callback: (error?: any) => void): unknown
  destroy(id: string, callback: (error?: any) => void): unknown
  /** Called, where it is there, for a change that moves only the end. */
  touch?(id: string, session: any, callback: (error?: any) => void): unknown
  // biome-ignore-end lint/suspicious/noExplicitAny: as above.
}

/** What `fromConnectStore` takes beside the store. */
export interface FromConnectStoreOptions {
  /** How long a session may lie unused whose cookie has no lifetime of its own. Default `'24h'`. */
  idle?: Duration
  /** The clock, in milliseconds since the epoch; for tests. Default `Date.now`. */
  clock?: () => number
}

/** Under this name a connect-style store keeps what a session of its own kind has no place for. */
const bagName = '__sojourn'

interface Bag {
  userId: string | null
  createdAt: number
  expiresAt: number
  /** Whether the session came with a cookie of its own, as those of express-session do. */
  cookie: boolean
  /** Texts that would come back changed, or that belong to the engine. */
  texts: Record<string, string>
}

type Kept = SessionData & { [bagName]?: Bag }

/** A backend that keeps a little longer what the engine judges by its own clock. */
const reclaimDelay = 5 * 60_000

/** One that never calls back must not keep the others out who write the session. Milliseconds. */
const patience = 30_000

const turnsOf = new WeakMap<ConnectStoreCalls, InTurn>()

/**
 * A connect-style store, made for `express-session`, as a store of Sojourn. It reads what `express-session` wrote, and
 * what it writes `express-session` can read.
 *
 * Such a store can only write sessions whole. A change is therefore read, made and written back, one at a time within
 * this process; but two processes that change a session at the same moment may lose one of the changes, and a write may
 * bring back what another process has just ended. A visit that changes nothing can do neither, where the store has
 * `touch`. A session that `express-session` wrote lives as long as the store returns it, also past the end that its
 * cookie tells. It lists nothing. Use it to move away from, with `migrating`, or with one process.
 *
 * @throws `invalid_option` for another store, a duration that is none, and an option that is unknown
 */
export function fromConnectStore(store: ConnectStoreCalls, options: FromConnectStoreOptions = {}): SessionStore {
  if (![store?.get, store?.set, store?.destroy].every((call) => typeof call === 'function')) {
    refuseOption('What fromConnectStore() is given', 'a store made for express-session', store)
  }
  refuseUnknownOptions('fromConnectStore', options, ['idle', 'clock'])
  const { clock = () => Date.now() } = options
  refuseOtherThanFunction('clock', clock)
  const idle = milliseconds(options.idle ?? '24h', 'idle')
  const inTurn = turnsOf.get(store) ?? createTurns()
  turnsOf.set(store, inTurn)

  function call<T>(run: (done: (error?: unknown, result?: T) => void) => unknown): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`the store did not call back within ${patience} ms`))
      const timer = setTimeout(late, patience)
      // Of a page's window, as in jsdom, a timer is a number.
      timer.unref?.()
      const settle = (error?: unknown, result?: T) => {
        clearTimeout(timer)
        if (error) reject(error)
        else resolve(result)
      }
      // An async method may fail before it calls back.
      const work = run(settle)
      if (isPromise(work)) work.then(undefined, (error) => settle(error ?? new Error('the store rejected')))
    })
  }

  async function get(id: string): Promise<Kept | null> {
    try {
      return (await call<Kept>((done) => store.get(sessionIdOf(id), done))) ?? null
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return null
      throw error
    }
  }

  function set(id: string, record: SessionRecord): Promise<unknown> {
    return call((done) => store.set(sessionIdOf(id), keptOf(record), done))
  }

  /** Whether there was a session to touch: some stores tell of none as of a failure. */
  async function touch(id: string, kept: Kept): Promise<boolean> {
    try {
      await call((done) => store.touch?.(sessionIdOf(id), kept, done))
    } catch (error) {
      if (await get(id)) throw error
      return false
    }
    return true
  }

  async function read(id: string): Promise<SessionRecord | null> {
    const kept = await get(id)
    return kept ? recordOf(kept, clock(), idle) : null
  }

  return {
    read,

    create: (id, record) =>
      inTurn(id, async () => {
        refuseIllFormed(record)
        if (await get(id)) return false
        await set(id, record)
        return true
      }),

    patch: (id, patch) =>
      inTurn(id, async () => {
        refuseIllFormed(patch)
        const kept = await get(id)
        const record = kept && recordOf(kept, clock(), idle)
        if (!record || record.expiresAt <= patch.now) return 'absent'
        if (!holds(record.values, patch.when)) return 'conflict'
        const next = patched(record, patch)
        if (!store.touch || !movesOnlyEnd(patch) || !outlivesItsEnd(kept)) await set(id, next)
        else if (!(await touch(id, { ...kept, cookie: keptOf(next).cookie }))) return 'absent'
        return 'applied'
      }),

    delete: (id) =>
      inTurn(id, async () => {
        const kept = await get(id)
        await call((done) => store.destroy(sessionIdOf(id), done))
        return kept !== null
      }),
  }
}

function recordOf({ [bagName]: bag, ...session }: Kept, now: number, idle: number): SessionRecord {
  const texts = textsOf(session)
  if (bag && !bag.cookie) delete texts[cookieName]
  // A cookie that ends with the browser says nothing: such a session lives as long as the store remembers it.
  const end = bag && !bag.cookie ? bag.expiresAt : endOrLater(session, now)
  return {
    values: { ...texts, ...bag?.texts },
    userId: bag?.userId ?? null,
    createdAt: bag?.createdAt ?? now,
    expiresAt: end ?? now + idle - short,
  }
}

/**
 * When a session that its store still has will end. Most stores note a touch beside the session: the cookie in it then
 * tells of an end that was put off since, by at most as long as the cookie lasts.
 */
function endOrLater(session: SessionData, now: number): number | undefined {
  const end = endOf(session)
  const maxAge = Math.ceil(Number(session.cookie.originalMaxAge))
  return end !== undefined && end <= now && maxAge > 0 ? now + maxAge - short : end
}

/** An end that is made up is less than any touch will set: one within the same millisecond is a change as well. */
const short = 1

/** Whether a change is a touch. One that sets values, though it be none, is to be written. */
function movesOnlyEnd({ set, unset, userId, expiresAt }: SessionPatch): boolean {
  return !set && !unset && userId === undefined && expiresAt !== undefined
}

/** Whether a session that its store still has is read as a living one, whatever end is written in it. */
function outlivesItsEnd(kept: Kept): boolean {
  const isOwn = kept[bagName]?.cookie === false
  return !isOwn && (endOrLater(kept, Number.POSITIVE_INFINITY) ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY
}

function keptOf(record: SessionRecord): Kept {
  const { values, userId, createdAt, expiresAt } = record
  const texts = Object.entries(values)
  const shown = texts.filter(([name, text]) => isShown(name, text))
  const session: Kept = sessionOf({ ...record, values: Object.fromEntries(shown) })
  const cookie = Object.hasOwn(values, cookieName)
  session.cookie = cookie ? cookieOfRecord(session.cookie) : new Cookie({ expires: new Date(expiresAt + reclaimDelay) })
  const hidden = texts.filter(([name, text]) => !isShown(name, text))
  // A session of express-session that has nothing else stays as express-session wrote it.
  if (cookie && userId === null && hidden.length === 0) return session
  session[bagName] = { userId, createdAt, expiresAt, cookie, texts: Object.fromEntries(hidden) }
  return session
}

/** Whether a value can stand in the session by itself, and comes back from there as the same text. */
function isShown(name: string, text: string): boolean {
  if (name === cookieName) return true
  if (name === 'cookie' || isOwnName(name)) return false
  try {
    const value = JSON.parse(text)
    return JSON.stringify(value) === text && !(name.startsWith(oddNamePrefix) && value[0] === bagName)
  } catch {
    return false
  }
}
