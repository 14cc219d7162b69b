/**
 * Web sessions for Node: correct under parallel requests, secure by default, nearly free.
 *
 * @module
 */

export type { AcceptedSessions } from './core/accepted-sessions.js'
export type { CookieOptions } from './core/cookie.js'
export type { CookieStore } from './core/cookie-store.js'
export type { CrossOriginOptions } from './core/cross-origin.js'
export { isSojournError, SojournError, type SojournErrorCode } from './core/errors.js'
export type {
  EndReason,
  EventSource,
  RefusalReason,
  SessionEventListener,
  SessionEventName,
  SessionEvents,
} from './core/events.js'
export type { AssuranceLevel, Duration, LifetimeOptions } from './core/lifetime.js'
export type { SessionsOptions } from './core/options.js'
export type { ResponseHeaders } from './core/response-head.js'
export type { Secrets } from './core/secrets.js'
// With a star, so that `declare module 'sojourn' { interface SessionData { … } }` reaches the interface itself.
export * from './core/session.js'
export { type AnySessions, createSessions, type LoadRequest, type Sessions } from './core/sessions.js'
export type { SignInOptions } from './core/sign-in.js'
export type { SessionStatus } from './core/status.js'
export type { Awaitable, ListPage, PatchOutcome, SessionPatch, SessionRecord, SessionStore } from './core/store.js'
export type { TransportOptions } from './core/transport.js'
export type { Device, PageOptions, SessionInfo, SessionPage } from './core/user-sessions.js'
