/**
 * Sessions for Koa 2 and 3.
 *
 * @module
 */

import type { DefaultState, Middleware, Next, ParameterizedContext } from 'koa'
import { publicError } from '../core/errors.js'
import type { SessionsOptions } from '../core/options.js'
import {
  freshUser,
  type Guard,
  type RequireFreshOptions,
  type RequireUserOptions,
  signedInUser,
} from '../core/require-user.js'
import { returnPathOf } from '../core/return-path.js'
import type { Session, SessionData } from '../core/session.js'
import { type Sessions, visitsFrom } from '../core/sessions.js'
import { isPromise } from '../core/store.js'
import { cancelBody } from '../core/web-body.js'
import { Exchange } from './gate/exchange.js'
import { saveBeforeSending } from './gate/save-before-sending.js'
import { giveSession, hasSession } from './gate/session-property.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'

/** A context that has a session. */
export interface ContextWithSession<Data = SessionData> {
  /** The visitor's session. */
  readonly session: Session<Data>
}

/**
 * Middleware that gives each request its session, as `ctx.session`. What was done with it is saved when the middleware
 * below is done, before Koa responds; a store that fails is thrown to the middleware above, with the status 503.
 *
 * @param sessions what `createSessions` made, or options for it. Without any, sessions are kept in memory, for a first
 * try
 * @throws `invalid_option`
 */
export function session<Data extends object = SessionData>(
  sessions?: Sessions<Data> | SessionsOptions,
): Middleware<DefaultState, ContextWithSession<Data>> {
  const visits = visitsFrom(sessions)
  return async function session(ctx, next): Promise<void> {
    if (hasSession(ctx, visits)) return next()
    const exchange = new Exchange(ctx.req, ctx.res, visits, (error) => ctx.onerror(error as Error), ctx)
    const opened = visits.open(exchange)
    const visit = isPromise(opened) ? await opened : opened
    giveSession(ctx, exchange, contextPrototype)
    exchange.begin(visit)
    await next()
    try {
      await saveBeforeSending(exchange)
    } catch (error) {
      // Whoever catches it above must not find the page that was to be sent.
      cancelBody(ctx.body)
      // JSON is never without a body, but for such a status.
      ctx.status = 204
      ctx.body = undefined
      delete (ctx.response as { _explicitNullBody?: true })._explicitNullBody
      ctx.status = publicError(error).status
      throw error
    }
  }
}

/** `app.context`, where Koa's documentation adds what every context is to have. None for a context of no app. */
function contextPrototype(ctx: object): object | null {
  const prototype = Object.getPrototypeOf(ctx)
  return prototype === (ctx as Partial<ParameterizedContext>).app?.context ? prototype : null
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
  return async function admit(ctx: ParameterizedContext, next: Next): Promise<void> {
    const { session, method, originalUrl: url } = ctx
    const address = guard({
      session,
      method,
      url,
      setHeader: (name, value) => ctx.set(name, value),
    })
    if (address === null) return next()
    ctx.set('Cache-Control', 'no-store')
    ctx.redirect(address)
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(ctx: Pick<ParameterizedContext, 'originalUrl'>, fallback = '/'): string {
  return returnPathOf(ctx.originalUrl, fallback)
}

declare module 'koa' {
  interface DefaultContext extends ContextWithSession {}
}
