/**
 * Sessions for servers of `node:http`, `node:https` and `node:http2` with no framework.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isSojournError, publicError } from '../core/errors.js'
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
import { type Sessions, visitsFrom } from '../core/sessions.js'
import { isPromise } from '../core/store.js'
import { Exchange, type NodeRequest } from './gate/exchange.js'
import { type NodeResponse, restore } from './gate/head.js'
import { exchangeOn } from './gate/session-property.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'
export type { NodeRequest } from './gate/exchange.js'
export type { NodeResponse } from './gate/head.js'

const exchangeOf = Symbol('sojourn.exchange')
const onErrorOf = Symbol('sojourn.onError')

/**
 * By this a handler that is called within another finds their one session, also where other sessions stand between; the
 * inner one's `onError` answers, if it has one. Within an app of Express the session, and who answers errors, are Express's.
 */
interface Entered<Incoming, Outgoing> {
  [exchangeOf]?: Exchange
  [onErrorOf]?: WithSessionOptions<Incoming, Outgoing>['onError']
}

/** A handler that also gets the session. */
export type SessionHandler<Visitor, Incoming extends NodeRequest, Outgoing extends NodeResponse> = (
  req: Incoming,
  res: Outgoing,
  session: Visitor,
) => unknown

/** What only the app knows. */
export interface WithSessionOptions<Incoming, Outgoing> {
  /** Whether a request came over TLS. Default: whether this connection does; behind a proxy that ends TLS it does not. */
  secure?(req: Incoming): boolean
  /** The client's address. Default: that of the connection, which may be a proxy's. */
  address?(req: Incoming): string | undefined
  /**
   * Answers an error of the session or of the handler, on a response that is as it was in the beginning. Default: logs
   * it, unless the client is to blame, and answers with its status or 500. Not called once the response has begun.
   */
  onError?(error: unknown, req: Incoming, res: Outgoing): void
}

/**
 * Gives a handler its visitor's session. What it does with it is saved before the first byte of the response leaves. A
 * handler for one route may stand within one for all: with the same sessions, both have the same session.
 *
 * @param sessions what `createSessions` made, or options for it
 * @throws `invalid_option`
 */
export function withSession<
  Data extends object = SessionData,
  Incoming extends NodeRequest = IncomingMessage,
  Outgoing extends NodeResponse = ServerResponse,
>(
  sessions: Sessions<Data> | SessionsOptions,
  handler: SessionHandler<Session<Data>, Incoming, Outgoing>,
  options: WithSessionOptions<Incoming, Outgoing> = {},
): (req: Incoming, res: Outgoing) => Promise<void> {
  const visits = visitsFrom(sessions)
  refuseOtherThanFunction('The handler', handler)
  refuseOtherThanFunctions('withSession', options, ['secure', 'address', 'onError'])
  const { secure, address, onError } = options
  return async function withSession(req: Incoming & Entered<Incoming, Outgoing>, res) {
    const answer = async (error: unknown) => {
      try {
        await (req[onErrorOf] ?? answerError)(error, req, res)
      } catch (failure) {
        // Nobody waits for this: it would end the process.
        console.error(error, failure)
        res.destroy?.()
      }
    }
    if (onError) req[onErrorOf] = onError
    const around = req[exchangeOf] ?? exchangeOn(req)
    let exchange = around
    while (exchange && exchange.visits !== visits) exchange = exchange.around
    try {
      if (!exchange) {
        const connection = { secure: secure?.(req), ip: address?.(req) }
        exchange = new Exchange(req, res, visits, answer, connection)
        if (around) exchange.around = around
        req[exchangeOf] = exchange
      }
      if (!exchange.visit) {
        const opened = visits.open(exchange)
        exchange.begin(isPromise(opened) ? await opened : opened)
      }
      await handler(req, res, sessionOf<Data>(exchange.ask()))
    } catch (error) {
      if (exchange) fail(exchange, error)
      else await answer(error)
    }
  }
}

/** Has an error of the handler answered, where the response has not begun; else prints it and breaks the response off. */
function fail(exchange: Exchange, error: unknown): void {
  const { response, visit } = exchange
  if (response.headersSent) {
    // One of saving is told by whoever saves.
    if (error !== visit?.failure) console.error(error)
    if (!response.writableEnded) response.destroy?.(error as Error)
    return
  }
  // What could not be saved would fail once more with the answer.
  if (visit?.failure !== undefined) exchange.isGivenUp = true
  restore(response, exchange.entry)
  exchange.failed(error)
}

function answerError(error: unknown, _req: NodeRequest, res: NodeResponse): void {
  const { status, text } = publicError(error)
  if (status >= 500) console.error(error)
  res.statusCode = status
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader('Cache-Control', 'no-store')
  const { headers = {} } = isSojournError(error) ? error : {}
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.end(text)
}

/**
 * Makes a handler one for signed-in users. Others are sent to the login page, or get an `unauthenticated` error with the
 * status 401; nothing is stored for them.
 */
export function requireUser<Visitor extends Session, Incoming extends NodeRequest, Outgoing extends NodeResponse>(
  options: RequireUserOptions,
  handler: SessionHandler<Visitor, Incoming, Outgoing>,
): SessionHandler<Visitor, Incoming, Outgoing> {
  return admit(signedInUser(options), handler)
}

/**
 * Makes a handler one for users who signed in a short while ago, such as a change of password (ASVS 7.5.1). Others are
 * sent to the login page, or get a `stale_authentication` error with the status 401.
 *
 * @throws `invalid_option`
 */
export function requireFresh<Visitor extends Session, Incoming extends NodeRequest, Outgoing extends NodeResponse>(
  options: RequireFreshOptions,
  handler: SessionHandler<Visitor, Incoming, Outgoing>,
): SessionHandler<Visitor, Incoming, Outgoing> {
  return admit(freshUser(options), handler)
}

function admit<Visitor extends Session, Incoming extends NodeRequest, Outgoing extends NodeResponse>(
  guard: Guard,
  handler: SessionHandler<Visitor, Incoming, Outgoing>,
): SessionHandler<Visitor, Incoming, Outgoing> {
  refuseOtherThanFunction('The handler', handler)
  return function admit(req, res, session) {
    const { method, url } = req
    const address = guard({ session, method, url })
    if (address === null) return handler(req, res, session)
    res.statusCode = 302
    res.setHeader('Location', address)
    res.setHeader('Cache-Control', 'no-store')
    res.end()
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(req: NodeRequest, fallback = '/'): string {
  return returnPathOf(req.url, fallback)
}
