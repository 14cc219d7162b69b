/**
 * Sessions for Fastify 5.
 *
 * @module
 */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { publicError, SojournError } from '../core/errors.js'
import { refuseUnknownOptions } from '../core/option-checks.js'
import type { SessionsOptions } from '../core/options.js'
import type { SessionMembers, SessionValues } from '../core/request-session.js'
import {
  freshUser,
  type Guard,
  type RequireFreshOptions,
  type RequireUserOptions,
  signedInUser,
} from '../core/require-user.js'
import type { ResponseHeaders } from '../core/response-head.js'
import { returnPathOf } from '../core/return-path.js'
import type { Callback, Session } from '../core/session.js'
import { refuseAssignment, sessionOf } from '../core/session-object.js'
import { type AnySessions, visitsFrom } from '../core/sessions.js'
import { isPromise } from '../core/store.js'
import type { Visit } from '../core/visit.js'
import { cancelBody, responseIn } from '../core/web-body.js'
import { type Connection, Exchange } from './gate/exchange.js'
import { saveBeforeSending } from './gate/save-before-sending.js'

export type { RequireFreshOptions, RequireUserOptions } from '../core/require-user.js'

type Headers = ReturnType<FastifyReply['getHeaders']>

const exchangeOf = Symbol('sojourn.exchange')

type FastifyExchange = Exchange & { headersOnEntry?: Headers }

type Entered = FastifyRequest & { [exchangeOf]: FastifyExchange | null }

/** What Fastify itself takes with a plugin. */
const optionsOfFastify = ['prefix', 'logLevel', 'logSerializers']

/** What `register` takes for the plugin. */
export interface SessionPluginOptions {
  /** What `createSessions` made, or options for it. Without any, sessions are kept in memory, for a first try. */
  sessions?: AnySessions | SessionsOptions
}

/**
 * A plugin that gives each request its session, as `request.session`, in the scope where it is registered and those
 * below. What a handler does with it is saved before the response is sent; a store that fails goes to the error handler,
 * with the status 503.
 *
 * @throws `invalid_option`
 */
export const session: FastifyPluginAsync<SessionPluginOptions> = async function session(app, options) {
  refuseUnknownOptions('app.register(session, { sessions })', options, ['sessions', ...optionsOfFastify])
  if (app.hasRequestDecorator('session')) throw alreadyThere()
  const { sessions } = options
  const visits = visitsFrom(sessions)
  app.decorateRequest('session', {
    getter(this: FastifyRequest) {
      const visit = (this as Entered)[exchangeOf]?.visit
      return (visit && sessionOf(visit)) as FastifyRequest['session']
    },
    setter: refuseAssignment,
  })
  app.decorateRequest(exchangeOf, null)

  app.addHook('onRequest', function openSession(request, reply, next) {
    const standing = (request as Entered)[exchangeOf]
    if (standing) {
      // A scope below registered the plugin before this one did, which Fastify lets pass.
      next(standing.visits === visits ? undefined : alreadyThere())
      return
    }
    const fail = (error: unknown) => answerFailure(request, reply, error)
    const exchange: FastifyExchange = new Exchange(request.raw, reply.raw, visits, fail, new FastifyConnection(request))
    const begin = (visit: Visit) => {
      exchange.begin(visit)
      next()
    }
    exchange.headersOnEntry = headersOf(reply)
    ;(request as Entered)[exchangeOf] = exchange
    const visit = visits.open(exchange)
    if (isPromise(visit)) visit.then(begin, next)
    else begin(visit)
  })

  app.addHook('onSend', function saveSession(request, reply, payload, next) {
    const exchange = (request as Entered)[exchangeOf]
    const response = responseIn(payload)
    if (response?.status) reply.code(response.status)
    const saved = exchange && saveBeforeSending(exchange, headOf(reply))
    if (!saved) return next()
    const { statusCode } = reply
    const headers = headersOf(reply)
    const proceed = () => {
      // A handler that went on after it had sent, and failed: Fastify has prepared to answer that in its place.
      if (reply.statusCode !== statusCode) putBack(reply, headers).code(statusCode)
    }
    // Of a promise Fastify catches what comes of it, such as that a handler has sent its reply twice.
    return saved.then(proceed, (error: unknown) => {
      cancelBody(payload)
      const stream = payload as Partial<Readable> | null | undefined
      // Some, as undici's, tell of it as an error.
      stream?.on?.('error', () => {}).destroy?.()
      takeBack(request, reply, error)
      throw error
    })
  })
}

function alreadyThere(): SojournError {
  return new SojournError(
    'invalid_option',
    'There is a request.session here already: register one session plugin, once, for a scope and all below it',
  )
}

// Without a scope of its own, as plugins are that decorate requests: what `fastify-plugin` does.
Object.assign(session, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'sojourn',
  [Symbol.for('plugin-meta')]: { name: 'sojourn', fastify: '5.x' },
})

class FastifyConnection implements Connection {
  readonly #request: FastifyRequest
  constructor(request: FastifyRequest) {
    this.#request = request
  }
  get secure(): boolean {
    return this.#request.protocol === 'https'
  }
  get ip(): string {
    return this.#request.ip
  }
}

/** Fastify keeps headers of its own, and writes them over those of Node's response. */
function headOf(reply: FastifyReply): ResponseHeaders {
  const header = (name: string, value: string) => void reply.header(name, value)
  return { get: (name) => reply.getHeader(name)?.toString(), set: header, append: header }
}

/** The headers as they are now, whatever comes: Fastify adds to the array of `set-cookie`. */
function headersOf(reply: FastifyReply): Headers {
  const headers = reply.getHeaders()
  const cookies = headers['set-cookie']
  if (Array.isArray(cookies)) headers['set-cookie'] = [...cookies]
  return headers
}

/** Takes back what a handler did to the response, as far as Fastify keeps it. */
function takeBack(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const exchange = (request as Entered)[exchangeOf] as FastifyExchange
  // What answers the error would fail once more.
  exchange.isGivenUp = true
  putBack(reply, exchange.headersOnEntry as Headers)
  // Not by `code()`, for a redirect keeps what was set so.
  reply.raw.statusCode = publicError(error).status
}

function putBack(reply: FastifyReply, headers: Partial<Headers>): FastifyReply {
  for (const name in reply.getHeaders()) reply.removeHeader(name)
  return reply.headers(headers)
}

/** The session could not be saved where the handler sent the response by itself, or another plugin changed it late. */
function answerFailure(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  takeBack(request, reply, error)
  if (!reply.sent) {
    reply.send(error)
    return
  }
  request.log.error(error)
  reply.raw.end()
}

/**
 * A hook for routes that need a signed-in user: `{ onRequest: requireUser() }`. Others are sent to the login page, or get
 * an `unauthenticated` error with the status 401; nothing is stored for them.
 */
export function requireUser(options?: RequireUserOptions) {
  return admit(signedInUser(options))
}

/**
 * A hook for routes that need a user who signed in a short while ago, such as a change of password (ASVS 7.5.1). Others
 * are sent to the login page, or get a `stale_authentication` error with the status 401.
 *
 * @throws `invalid_option`
 */
export function requireFresh(options: RequireFreshOptions) {
  return admit(freshUser(options))
}

/** What a guard uses of a request, which is of another type over HTTP/2. */
export type GuardedRequest = Pick<FastifyRequest, 'session' | 'method' | 'originalUrl'> & {
  headers: IncomingHttpHeaders
}

/** What a guard calls of a reply, likewise. */
export interface GuardedReply {
  header(name: string, value: string): this
  redirect(url: string): unknown
}

function admit(guard: Guard) {
  return function admit(request: GuardedRequest, reply: GuardedReply, next: () => void): void {
    const { session, method, originalUrl: url } = request
    const setHeader = (name: string, value: string) => reply.header(name, value)
    const address = guard({ session, method, url, setHeader })
    if (address === null) next()
    else reply.header('Cache-Control', 'no-store').redirect(address)
  }
}

/** Where a login page sends its visitor: the path that `requireUser` noted in its address, and never off this site. */
export function returnPath(request: Pick<FastifyRequest, 'originalUrl'>, fallback = '/'): string {
  return returnPathOf(request.originalUrl, fallback)
}

/** A request that has a session. */
export interface FastifyRequestWithSession {
  /** The visitor's session. */
  session: Session
}

declare module 'fastify' {
  // Inherited rather than declared: the types of @fastify/session declare the same, and may be installed as well.
  interface FastifyRequest extends FastifyRequestWithSession {}
}

// Where they are, `request.session` is of their type. To that, ours is added.

// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where those types are missing
/** @ts-ignore */
declare module '@fastify/session' {
  interface FastifySessionObject extends SessionMembers, SessionValues {
    regenerate(callback?: Callback): void
    destroy(callback?: Callback): void
    reload(callback?: Callback): Promise<void>
    save(callback?: Callback): Promise<boolean>
    touch(): void
  }
}
