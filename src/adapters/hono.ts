/**
 * Sessions for Hono 4, on every runtime that it has.
 *
 * @module
 */

import type { Context, MiddlewareHandler } from 'hono'
import { type ExecutionContext, FetchExchange } from '../core/fetch-exchange.js'
import { refuse, refuseOtherThanFunctions } from '../core/option-checks.js'
import type { SessionsOptions } from '../core/options.js'
import {
  freshUser,
  type Guard,
  type RequireFreshOptions,
  type RequireUserOptions,
  signedInUser,
} from '../core/require-user.js'
import { noteUse } from '../core/response-head.js'
import { returnPathOf } from '../core/return-path.js'
import type { Session, SessionData } from '../core/session.js'
import { sessionOf, visitOf } from '../core/session-object.js'
import { type Sessions, type Visits, visitsFrom } from '../core/sessions.js'
import { isPromise } from '../core/store.js'
import type { Visit } from '../core/visit.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'

/** What the middleware adds to the environment of an app. */
export interface SessionEnv<Data = SessionData> {
  Variables: {
    /** The visitor's session. */
    session: Session<Data>
  }
}

/** What only the app knows of a request's connection. */
export interface ConnectionOptions {
  /** Whether it came over TLS. Default: whether its URL says `https:`; behind a proxy that ends TLS it may not. */
  secure?(c: Context): boolean
  /**
   * The client's address, such as `getConnInfo(c).remote.address`; behind a proxy, what that says in a header. Asked once
   * at most, and only where it matters. Default: unknown.
   */
  address?(c: Context): string | undefined
}

/**
 * Middleware that gives each request its session, as `c.var.session`. What a handler does with it is saved before the
 * response is handed on; a store that fails goes to `app.onError`, and is answered with the status 503.
 *
 * @param sessions what `createSessions` made, or options for it. Without any, sessions are kept in memory, for a first
 * try
 * @throws `invalid_option`
 */
export function session<Data extends object = SessionData>(
  sessions?: Sessions<Data> | SessionsOptions,
  options: ConnectionOptions = {},
): MiddlewareHandler<SessionEnv<Data>> {
  const visits = visitsFrom(sessions)
  refuseOtherThanFunctions('session', options, ['secure', 'address'])
  const { secure, address } = options
  return async function session(c, next): Promise<void> {
    if (hasSession(c, visits)) return next()
    const exchange = new FetchExchange(c.req.raw, visits, {
      secure: secure?.(c),
      address: () => address?.(c),
      context: () => contextOf(c),
    })
    let visit: Visit | undefined
    let isSaving = false
    try {
      const opened = visits.open(exchange)
      visit = isPromise(opened) ? await opened : opened
      c.set('session', sessionOf<Data>(visit))
      await next()
      // Nobody has answered, which Hono tells as the mistake that it is: there is nothing to add to.
      if (!c.finalized) return
      isSaving = true
      const finished = await exchange.finish(visit, c.res)
      c.res = undefined
      c.res = finished
    } catch (error) {
      // An error of the handler's own, which comes here within every() or except(), may be answered by what comes after.
      if (isSaving) takeBack(c)
      noteUse(visit ?? visits.openEmpty(exchange), { get: (name) => c.res.headers.get(name), set: c.header })
      throw error
    }
  }
}

/** Hono throws where a runtime has none. */
function contextOf(c: Context): ExecutionContext | undefined {
  try {
    return c.executionCtx
  } catch {
    return undefined
  }
}

/** Whether these very sessions were mounted before. Throws `invalid_option` where there is another session. */
function hasSession(c: Context, visits: Visits): boolean {
  const standing = c.get('session')
  if (!standing) return false
  // Not by `instanceof`: another copy of Sojourn may have mounted them.
  const { request } = (standing as { [visitOf]?: { request: Partial<FetchExchange> } })[visitOf] ?? {}
  if (request?.visits === visits) return true
  refuse('There is a session here already: mount session() once')
}

/**
 * Takes back what the handler did to the response: Hono would copy its headers to the answer to the error. What CORS says
 * is no part of a page, and without it a page on another origin could not even read the error.
 */
function takeBack(c: Context): void {
  const headers = [...c.res.headers]
  c.res = undefined
  // What c.header() had set, and a Response of the handler's own did not take over.
  const prepared = [...c.res.headers.keys()]
  c.res = undefined
  c.finalized = false
  for (const name of prepared) c.header(name, undefined)
  for (const [name, value] of headers) {
    const isToStay = name.startsWith('access-control-') || name === 'vary'
    c.header(name, isToStay ? value : undefined)
  }
  c.status(200)
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

function admit(guard: Guard): MiddlewareHandler {
  return async function admit(c, next) {
    const { pathname, search } = new URL(c.req.url)
    const setHeader = (name: string, value: string) => c.header(name, value)
    const request = { session: c.get('session'), method: c.req.method, url: pathname + search, setHeader }
    const address = guard(request)
    if (address === null) return next()
    c.header('Cache-Control', 'no-store')
    return c.redirect(address)
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(c: Context, fallback = '/'): string {
  return returnPathOf(c.req.url, fallback)
}

declare module 'hono' {
  interface ContextVariableMap {
    /** The visitor's session. */
    session: Session
  }
}
