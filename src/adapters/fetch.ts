/**
 * Sessions for whatever answers a `Request` with a `Response`: Next.js, React Router, SvelteKit, Bun, Deno, Workers.
 *
 * @module
 */

import { isSojournError, type SojournError } from '../core/errors.js'
import { type ExecutionContext, FetchExchange } from '../core/fetch-exchange.js'
import { refuseOtherThanFunction, refuseOtherThanFunctions } from '../core/option-checks.js'
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
import { sessionOf } from '../core/session-object.js'
import { type Sessions, type Visits, visitsFrom } from '../core/sessions.js'
import type { Awaitable } from '../core/store.js'
import type { Visit } from '../core/visit.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'

const visitsOf = Symbol.for('sojourn.fetch.visits.1')

/** By this a handler that is called within another finds their one session. */
interface Entered {
  [visitsOf]?: ReadonlyMap<Visits, Visit> | undefined
}

/**
 * A handler that also gets the session, between the request and what else its runtime hands over. It answers with
 * `undefined` where the connection has become a WebSocket, as Bun wants it.
 */
export type SessionHandler<
  Visitor,
  Incoming extends Request,
  Rest extends unknown[],
  Answer extends Response | undefined = Response,
> = (request: Incoming, session: Visitor, ...rest: Rest) => Awaitable<Answer>

/** What only the app knows. */
export interface WithSessionOptions<Incoming, Rest extends unknown[]> {
  /** Whether a request came over TLS. Default: whether its URL says `https:`; behind a proxy that ends TLS it may not. */
  secure?(request: Incoming, ...rest: Rest): boolean
  /** The client's address. Asked once at most, and only where it matters. Default: unknown. */
  address?(request: Incoming, ...rest: Rest): string | undefined
  /** Answers an error of the session. Default: logs it, unless the client is to blame, and answers with its status. */
  onError?(error: SojournError, request: Incoming): Awaitable<Response>
}

/**
 * Gives a handler its visitor's session. What it does with it is saved before the response is handed on. A handler that
 * throws an error of its own saves nothing, for no response carries the cookie: return one instead. A `Response` that is thrown is
 * saved for, and thrown on with its cookie. A handler may call another with the same request: with the same sessions, both
 * have the same session, whose cookie comes with what the outer one returns.
 *
 * @param sessions what `createSessions` made, or options for it
 * @throws `invalid_option`
 */
export function withSession<
  Data extends object = SessionData,
  Incoming extends Request = Request,
  Rest extends unknown[] = [],
  Answer extends Response | undefined = Response,
>(
  sessions: Sessions<Data> | SessionsOptions,
  handler: SessionHandler<Session<Data>, Incoming, Rest, Answer>,
  options: WithSessionOptions<Incoming, Rest> = {},
): (request: Incoming, ...rest: Rest) => Promise<Response | Extract<Answer, undefined>> {
  const visits = visitsFrom(sessions)
  refuseOtherThanFunction('The handler', handler)
  refuseOtherThanFunctions('withSession', options, ['secure', 'address', 'onError'])
  const { secure, address, onError = answerError } = options
  type Answered = Response | Extract<Answer, undefined>
  return async function withSession(request: Incoming & Entered, ...rest) {
    let offered: unknown
    const handled = async (visit: Visit): Promise<Answered> => {
      try {
        return (await handler(request, sessionOf<Data>(visit), ...rest)) as Answered
      } catch (error) {
        if (!isSojournError(error) || visit.failure !== undefined) throw error
        offered = error
        return await onError(error, request)
      }
    }
    const around = request[visitsOf]
    const standing = around?.get(visits)
    if (standing) return handled(standing)
    const exchange = new FetchExchange(request, visits, {
      secure: secure?.(request, ...rest),
      address: () => address?.(request, ...rest),
      context: () => rest.find(isContext),
    })
    try {
      const visit = await visits.open(exchange)
      request[visitsOf] = new Map(around).set(visits, visit)
      let isThrown = false
      const response = await handled(visit).catch((error: unknown) => {
        // As in React Router: `throw redirect('/')`.
        if (!(error instanceof Response)) throw error
        isThrown = true
        return error
      })
      const finished = (await exchange.finish(visit, response)) as Answered
      if (isThrown) throw finished
      return finished
    } catch (error) {
      // One that `onError` was offered and has thrown on is the runtime's.
      if (!isSojournError(error) || error === offered) throw error
      return await onError(error, request)
    } finally {
      request[visitsOf] = around
    }
  }
}

function isContext(given: unknown): given is ExecutionContext {
  return typeof (given as Partial<ExecutionContext> | null | undefined)?.waitUntil === 'function'
}

function answerError(error: SojournError): Response {
  if (!error.expose) console.error(error)
  return error.getResponse()
}

/**
 * Makes a handler one for signed-in users. Others are sent to the login page, or get an `unauthenticated` error with the
 * status 401; nothing is stored for them.
 */
export function requireUser<
  Visitor extends Session,
  Incoming extends Request,
  Rest extends unknown[],
  Answer extends Response | undefined = Response,
>(
  options: RequireUserOptions,
  handler: SessionHandler<Visitor, Incoming, Rest, Answer>,
): SessionHandler<Visitor, Incoming, Rest, Answer | Response> {
  return admit(signedInUser(options), handler)
}

/**
 * Makes a handler one for users who signed in a short while ago, such as a change of password (ASVS 7.5.1). Others are
 * sent to the login page, or get a `stale_authentication` error with the status 401.
 *
 * @throws `invalid_option`
 */
export function requireFresh<
  Visitor extends Session,
  Incoming extends Request,
  Rest extends unknown[],
  Answer extends Response | undefined = Response,
>(
  options: RequireFreshOptions,
  handler: SessionHandler<Visitor, Incoming, Rest, Answer>,
): SessionHandler<Visitor, Incoming, Rest, Answer | Response> {
  return admit(freshUser(options), handler)
}

function admit<
  Visitor extends Session,
  Incoming extends Request,
  Rest extends unknown[],
  Answer extends Response | undefined,
>(
  guard: Guard,
  handler: SessionHandler<Visitor, Incoming, Rest, Answer>,
): SessionHandler<Visitor, Incoming, Rest, Answer | Response> {
  refuseOtherThanFunction('The handler', handler)
  return function admit(request, session, ...rest) {
    const { pathname, search } = new URL(request.url)
    const address = guard({ session, method: request.method, url: pathname + search })
    if (address === null) return handler(request, session, ...rest)
    return new Response(null, { status: 302, headers: { location: address, 'cache-control': 'no-store' } })
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(request: Request, fallback = '/'): string {
  return returnPathOf(request.url, fallback)
}
