import { EventEmitter } from 'node:events'
import { inherits } from 'node:util'
import { cookieOfRecord } from './cookie.js'
import { adopt, type Callback, Session, type SessionHolder } from './session.js'
import type { SessionData } from './session-data.js'

/**
 * What a store for `express-session` extends. It emits `disconnect` while it cannot serve (requests then have no session)
 * and `connect` when it can again.
 */
export declare abstract class ConnectStore extends EventEmitter {
  /** Ends the request's session and puts an empty one with another id at `request.session`. */
  regenerate(request: SessionHolder, callback: Callback): void
  /** Resolves an id to its session, outside of a request. */
  load(id: string, callback: (error: unknown, session?: SessionData) => void): void
  /** Puts the session of a stored record at `request.session`. */
  createSession(request: SessionHolder, record: SessionData): Session & SessionData
  // biome-ignore-start lint/suspicious/noExplicitAny: stores written for express-session name narrower types.
  /** Reads a record; none, or an error whose code is `ENOENT`, when there is none. */
  abstract get(id: string, callback: (error: any, record?: SessionData | null) => void): void
  /** Writes a record, whether it was there or not. */
  abstract set(id: string, session: SessionData, callback?: (error?: any) => void): void
  abstract destroy(id: string, callback?: (error?: any) => void): void
  all?(callback: (error: any, records?: SessionData[] | { [id: string]: SessionData } | null) => void): void
  length?(callback: (error: any, length?: number) => void): void
  clear?(callback?: (error?: any) => void): void
  /** Moves a record's expiry and changes nothing else. */
  touch?(id: string, session: SessionData, callback?: () => void): void
  // biome-ignore-end lint/suspicious/noExplicitAny: as above.
}

/** A store that a middleware was made for, which adds `generate`. */
export interface MountedStore extends ConnectStore {
  /** Puts an empty session with a new id at `request.session`. */
  generate(request: SessionHolder): void
}

export type Store = ConnectStore

/** The base of all stores; to be extended, or called on an object that inherits from it. */
export const Store = {
  // Named by its property, as Session is.
  Store: function (this: ConnectStore) {
    EventEmitter.call(this)
  },
}.Store as unknown as typeof ConnectStore

inherits(Store, EventEmitter)

Store.prototype.regenerate = function regenerate(this: MountedStore, request, callback) {
  this.destroy(request.sessionID, (error) => {
    try {
      this.generate(request)
      adopt(request)
    } catch (failure) {
      return callback(failure)
    }
    callback(error)
  })
}

Store.prototype.load = function load(id, callback) {
  this.get(id, (error, record) => {
    if (error) return callback(error)
    if (!record) return (callback as () => void)()
    callback(null, this.createSession({ sessionID: id, sessionStore: this }, record))
  })
}

Store.prototype.createSession = function createSession(request, record) {
  record.cookie = cookieOfRecord(record.cookie)
  const session = new Session(request, record) as Session & SessionData
  request.session = session
  return session
}

/**
 * Gives a store our methods where it has those of some copy of express-session's Store: sessions that know nothing of
 * promises, and a `regenerate` that ends the process where no id can be made.
 */
export function replaceBaseMethods(store: ConnectStore): void {
  if ((store as object) instanceof Store) return
  const { createSession, regenerate } = Store.prototype
  if (ownerOf(store, 'createSession') === null || inheritsFromBase(store, 'createSession')) {
    store.createSession = createSession
  }
  if (inheritsFromBase(store, 'regenerate')) store.regenerate = regenerate
}

function inheritsFromBase(store: ConnectStore, method: string): boolean {
  const owner = ownerOf(store, method)
  return owner !== null && Object.hasOwn(owner, 'load') && Object.getPrototypeOf(owner) === EventEmitter.prototype
}

function ownerOf(object: object | null, name: string): object | null {
  return object === null || Object.hasOwn(object, name) ? object : ownerOf(Object.getPrototypeOf(object), name)
}
