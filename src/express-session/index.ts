/**
 * `express-session` 1.19, for apps that move: `import session from 'sojourn/express-session'`, or `require` of the same.
 *
 * @module
 */
import type { RequestWithSession } from '../core/request-session.js'
import { Cookie as CookieClass, type CookieOptions as CookieOptionsType } from './cookie.js'
import { cookieSessionCookie } from './cookie-session-cookie.js'
import { expressSessionCookie } from './express-session-cookie.js'
import { fromConnectStore } from './from-connect-store.js'
import { MemoryStore as MemoryStoreClass } from './memory-store.js'
import { session as middleware, type SessionOptions as SessionOptionsType } from './middleware.js'
import { Session as SessionClass } from './session.js'
import type { SessionData as SessionDataType } from './session-data.js'
import { type MountedStore, Store as StoreClass } from './store.js'
import { toConnectStore } from './to-connect-store.js'

type Middleware = typeof middleware

/** `session`, with what `express-session` has at it. */
export interface SessionWithParts extends Middleware {
  readonly Cookie: typeof CookieClass
  readonly MemoryStore: typeof MemoryStoreClass
  readonly Session: typeof SessionClass
  readonly Store: typeof StoreClass
  readonly cookieSessionCookie: typeof cookieSessionCookie
  readonly expressSessionCookie: typeof expressSessionCookie
  readonly fromConnectStore: typeof fromConnectStore
  readonly toConnectStore: typeof toConnectStore
}

const session: SessionWithParts = Object.assign(middleware, {
  Cookie: CookieClass,
  MemoryStore: MemoryStoreClass,
  Session: SessionClass,
  Store: StoreClass,
  cookieSessionCookie,
  expressSessionCookie,
  fromConnectStore,
  toConnectStore,
  // Of a default import TypeScript makes `require(…).default`, where it is not told of esModuleInterop.
  default: middleware,
})

declare namespace session {
  type Cookie = CookieClass
  type CookieOptions = CookieOptionsType
  type MemoryStore = MemoryStoreClass
  type Session = SessionClass
  type SessionData = SessionDataType
  type SessionOptions = SessionOptionsType
  type Store = StoreClass
}

export default session
export { Cookie, type CookieConstructor, type CookieData, type CookieOptions, type WorkingCookie } from './cookie.js'
export { type CookieSessionCookieOptions, cookieSessionCookie } from './cookie-session-cookie.js'
export { type ExpressSessionCookieOptions, expressSessionCookie } from './express-session-cookie.js'
export { type ConnectStoreCalls, type FromConnectStoreOptions, fromConnectStore } from './from-connect-store.js'
export { MemoryStore, type RecordsInMemory } from './memory-store.js'
export type { Next, SessionOptions, SessionRequest } from './middleware.js'
export type { Callback, SessionConstructor, SessionHolder } from './session.js'
// Stars, for only what comes through one can be extended by `declare module 'sojourn/express-session'`.
export * from './session-class.js'
export * from './session-data.js'
export type { Secret } from './signature.js'
export { type ConnectStore, type MountedStore, Store } from './store.js'
export { type StoreOfExpressSession, type ToConnectStoreOptions, toConnectStore } from './to-connect-store.js'
export { session as 'module.exports' }

declare module '../core/request-session.js' {
  interface SessionKinds {
    expressSession: SessionClass & Partial<SessionDataType>
  }
}

/** What the middleware adds to a request. */
interface RequestOfSession extends RequestWithSession {
  sessionID: string
  sessionStore: MountedStore
}

declare global {
  namespace Express {
    // Inherited rather than declared: the typings of express-session declare the same, and may be installed as well.
    interface Request extends RequestOfSession {}
  }
}

// Where they are installed, theirs is the type of `req.session`, and this makes it the same as ours. Imported, for what a library
// adds to them, such as csrf-sync, would otherwise be lost.
// biome-ignore lint/suspicious/noTsIgnore: they need not be installed where this is read.
/** @ts-ignore */
export type {} from 'express-session'

// biome-ignore lint/suspicious/noTsIgnore: the same
/** @ts-ignore */
declare module 'express-session' {
  interface SessionData extends SessionDataType {}
  // Without what theirs has by itself: what is left is what the app added to ours.
  interface Session
    extends Omit<
      SessionClass,
      'id' | 'cookie' | 'regenerate' | 'destroy' | 'reload' | 'save' | 'touch' | 'resetMaxAge'
    > {
    regenerate(): Promise<void>
    destroy(): Promise<void>
    reload(): Promise<void>
    save(): Promise<void>
  }
}
