/**
 * Sessions for Express 4 and 5, and for Connect.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { describeMiddleware } from '../core/mounted-middleware.js'
import type { SessionsOptions } from '../core/options.js'
import type { RequestWithSession, SessionMembers, SessionValues } from '../core/request-session.js'
import {
  freshUser,
  type Guard,
  type RequireFreshOptions,
  type RequireUserOptions,
  signedInUser,
} from '../core/require-user.js'
import { returnPathOf } from '../core/return-path.js'
import type { Callback, Session, SessionData } from '../core/session.js'
import { type Sessions, visitsFrom } from '../core/sessions.js'
import { isPromise } from '../core/store.js'
import type { Visit } from '../core/visit.js'
import { requestPrototype, responsePrototype } from './gate/express-prototypes.js'
import { isPrepared, prepareResponses } from './gate/inherited-hooks.js'
import { LateExchange } from './gate/late-exchange.js'
import { giveSession, hasSession } from './gate/session-property.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'

type Request = IncomingMessage & { originalUrl?: string; session?: Session }
type Next = (error?: unknown) => void

/**
 * Middleware that gives each request its session, as `req.session`. What a handler does with it is saved before the
 * first byte of the response leaves; a store that fails goes to Express's own error handling, with the status 503.
 *
 * @param sessions what `createSessions` made, or options for it. Without any, sessions are kept in memory, for a first
 * try
 * @throws `invalid_option`
 */
export function session<Data extends object = SessionData>(sessions?: Sessions<Data> | SessionsOptions) {
  const visits = visitsFrom(sessions)
  return describeMiddleware(sessionMiddleware, { visits })

  function sessionMiddleware(req: IncomingMessage, res: ServerResponse, next: Next): void {
    try {
      if (hasSession(req, visits)) {
        next()
        return
      }
      const exchange = new LateExchange(req, res, visits, next)
      const visit = visits.openIfBrought(exchange)
      if (isPromise(visit)) visit.then((it) => begin(exchange, it, next), next)
      else begin(exchange, visit, next)
    } catch (error) {
      next(error)
    }
  }
}

function begin(exchange: LateExchange, visit: Visit | null, next: Next): void {
  const { request, response } = exchange
  giveSession(request, exchange, requestPrototype)
  const unprepared = isPrepared(response) ? null : responsePrototype(request, response)
  if (unprepared) prepareResponses(unprepared)
  exchange.beginWhenAsked(visit)
  next()
}

/**
 * Middleware for routes that need a signed-in user. Others are sent to the login page, or get an `unauthenticated` error
 * with the status 401; nothing is stored for them. Mount it after `session()`.
 */
export function requireUser(options?: RequireUserOptions) {
  return admit(signedInUser(options))
}

/**
 * Middleware for routes that need a user who signed in a short while ago, such as a change of password (ASVS 7.5.1).
 * Others are sent to the login page, or get a `stale_authentication` error with the status 401.
 *
 * @throws `invalid_option`
 */
export function requireFresh(options: RequireFreshOptions) {
  return admit(freshUser(options))
}

function admit(guard: Guard) {
  return function admit(req: IncomingMessage, res: ServerResponse, next: Next): void {
    const { session, originalUrl, url, method } = req as Request
    try {
      const address = guard({
        session,
        method,
        url: originalUrl ?? url,
        setHeader: (name, value) => res.setHeader(name, value),
      })
      if (address === null) {
        next()
        return
      }
      res.setHeader('Location', address)
      res.setHeader('Cache-Control', 'no-store')
      res.statusCode = 302
      res.end()
    } catch (error) {
      next(error)
    }
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(req: IncomingMessage, fallback = '/'): string {
  const { originalUrl, url } = req as Request
  return returnPathOf(originalUrl ?? url, fallback)
}

declare module '../core/request-session.js' {
  interface SessionKinds {
    sojourn: Session
  }
}

declare global {
  namespace Express {
    // Inherited rather than declared: the types of express-session declare the same, and may be installed as well.
    interface Request extends RequestWithSession {}
  }
}

// Where they are, `req.session` is of their type. To that, ours is added.

// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where those types are missing
/** @ts-ignore */
declare module 'express-session' {
  interface SessionData extends SessionValues {}
  interface Session extends SessionMembers {
    regenerate(callback?: Callback): void
    destroy(callback?: Callback): void
    reload(callback?: Callback): Promise<void>
    save(callback?: Callback): Promise<boolean>
    touch(): void
  }
}
