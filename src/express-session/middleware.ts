import type { ServerResponse } from 'node:http'
import depd from 'depd'
// biome-ignore lint/suspicious/noTsIgnore: without the typings of Express, its request is any.
/** @ts-ignore */
import type { Request as ExpressRequest } from 'express'
import { applyHead, isHeadSent } from '../adapters/gate/head.js'
import { coverResponses } from '../adapters/gate/held-calls.js'
import { gate, onEntry } from '../adapters/gate.js'
import { describeMiddleware } from '../core/mounted-middleware.js'
import { randomText } from '../core/random.js'
import { Cookie, type CookieOptions } from './cookie.js'
import { MemoryStore } from './memory-store.js'
import { type RequestWithCookies, readSessionId } from './request-cookie.js'
import { Session, type SessionHolder } from './session.js'
import type { Secret } from './signature.js'
import { type MountedStore, replaceBaseMethods, type Store } from './store.js'
import { type Policy, Visit } from './visit.js'

const deprecate = depd('express-session')

/** The options of `express-session` 1.19, with its defaults. */
export interface SessionOptions {
  /** Signs the cookie. Of several, the first signs and all are accepted. Without it, `req.secret` of cookie-parser. */
  secret?: Secret | Secret[]
  /** Makes a session id, which must be unguessable and unique. Default: 24 random bytes. */
  genid?(request: ExpressRequest): string
  /** The cookie's name. Default: `connect.sid`. */
  name?: string | undefined
  /** The older name of `name`. */
  key?: string | undefined
  /** Default: a new `MemoryStore`, which is not for production. */
  store?: Store | undefined
  /** The cookie's attributes, or a function that gives them for a request. */
  cookie?: CookieOptions | ((request: ExpressRequest) => CookieOptions) | undefined
  /** Sends the cookie again with every response. Default: false. */
  rolling?: boolean | undefined
  /** Stores a loaded session although nothing changed. Give it: the default, true, is deprecated. */
  resave?: boolean | undefined
  /** Stores a new session although nothing was put into it. Give it: the default, true, is deprecated. */
  saveUninitialized?: boolean | undefined
  /** Whether `X-Forwarded-Proto` tells that a request is secure. Default: what Express' `trust proxy` says. */
  proxy?: boolean | undefined
  /** What unsetting `req.session` does to the stored one. Default: keep. */
  unset?: 'destroy' | 'keep' | undefined
}

/** A request as the middleware finds and leaves it, also where the app has told Node's types of a session there. */
export interface SessionRequest extends Omit<RequestWithCookies, keyof SessionHolder>, SessionHolder {
  originalUrl?: string
  /** What Express says. */
  secure?: boolean
}

export type Next = (error?: unknown) => void

/** Gives each request its session. Throws a `TypeError` for an option that is wrong. */
export function session(options?: SessionOptions) {
  const { cookie, name, key, secret, genid, proxy, resave, rolling, saveUninitialized, unset } = options ?? {}
  const generateId = genid || randomId
  if (typeof generateId !== 'function') throw new TypeError('genid option must be a function')
  if (resave === undefined) deprecate('undefined resave option; provide resave option')
  if (saveUninitialized === undefined) {
    deprecate('undefined saveUninitialized option; provide saveUninitialized option')
  }
  if (unset && unset !== 'destroy' && unset !== 'keep') {
    throw new TypeError('unset option must be "destroy" or "keep"')
  }
  if (Array.isArray(secret) && secret.length === 0) {
    throw new TypeError('secret option array must contain one or more strings')
  }
  if (!secret) deprecate('req.secret; provide secret option')

  const ownSecrets = secret ? (Array.isArray(secret) ? secret : [secret]) : undefined
  const store = (options?.store || new MemoryStore()) as MountedStore
  if (process.env.NODE_ENV === 'production' && store instanceof MemoryStore) console.warn(memoryStoreWarning)
  const policy: Policy = {
    store,
    cookieName: name || key || 'connect.sid',
    resave: resave === undefined || Boolean(resave),
    saveUninitialized: saveUninitialized === undefined || Boolean(saveUninitialized),
    rolling: Boolean(rolling),
    unsetDestroys: unset === 'destroy',
    storeTouches: typeof store.touch === 'function',
    isSecure: (request) => isSecure(request as SessionRequest, proxy),
  }

  function cookieOptionsFor(request: SessionRequest): CookieOptions {
    return typeof cookie === 'function' ? cookie(request as ExpressRequest) : cookie || {}
  }

  store.generate = function generate(holder) {
    const request = holder as SessionRequest
    request.sessionID = generateId(request as ExpressRequest)
    request.session = new Session(request)
    const options = cookieOptionsFor(request)
    request.session.cookie = new Cookie(options)
    if (options.secure === 'auto') request.session.cookie.secure = policy.isSecure(request)
    if (options.sameSite === 'auto') request.session.cookie.sameSite = policy.isSecure(request) ? 'none' : 'lax'
  }

  replaceBaseMethods(store)

  let isStoreConnected = true
  store.on('disconnect', () => {
    isStoreConnected = false
  })
  store.on('connect', () => {
    isStoreConnected = true
  })

  const about = {
    secrets: ownSecrets ?? [],
    resave: policy.resave,
    saveUninitialized: policy.saveUninitialized,
    isMemoryStore: store instanceof MemoryStore,
    cookie: typeof cookie === 'function' ? undefined : (cookie ?? {}),
  }
  const middleware = {
    // By this name Express and its observers know the layer; the build would rename a function of that name.
    session(request: SessionRequest, response: ServerResponse, next: Next) {
      if (request.session || !isStoreConnected || !isUnder(cookieOptionsFor(request).path || '/', request))
        return next()
      const secrets = ownSecrets ?? (request.secret ? [request.secret] : undefined)
      if (!secrets) return next(new Error('secret option required for sessions'))

      request.sessionStore = store
      const broughtId = readSessionId(request, policy.cookieName, secrets)
      request.sessionID = broughtId as string
      const current = new Visit(policy, { request, response, next, broughtId, secret: secrets[0] as Secret })
      if (!broughtId) {
        current.begin()
        attach(current, request, response)
        return next()
      }
      store.get(broughtId, (error, record) => {
        if (error && error.code !== 'ENOENT') return next(error)
        try {
          if (error || !record) current.begin()
          else current.resume(record)
          attach(current, request, response)
        } catch (failure) {
          return next(failure)
        }
        next()
      })
    },
  }
  return describeMiddleware(middleware.session, { dropIn: about })
}

function attach(current: Visit, request: SessionRequest, response: ServerResponse) {
  const { end, writeHead } = response
  // socket.io shows its middleware half a response for a WebSocket: calling writeHead is all that ever happens to it.
  const isHalf = typeof response.once !== 'function'
  // To a function that is written where it is assigned, V8 gives a place among what lives long, and with it, until the next full
  // collection, to all that it knows: its request.
  function saidWriteHead(this: ServerResponse, ...given: unknown[]) {
    let left: readonly unknown[] = given
    if (!isHeadSent(this)) {
      // Whoever came after and waited for the head, as with on-headers, may have replaced the cookies. Ours is sent.
      if (given.length > 1) left = applyHead(this, given)
      if (isHalf) current.decideCookie()
      current.writeHeaders()
    }
    return Reflect.apply(writeHead, this, left)
  }
  response.writeHead = saidWriteHead as typeof writeHead
  if (isHalf) return
  // Node's own would end the process if a second call brought data.
  function endOnce(this: ServerResponse, ...given: unknown[]) {
    if (this.writableEnded) return false
    // When the client left, the gate looked for changes; a handler that went on until now may have made more.
    if (this.destroyed) void current.beforeEnd()
    return Reflect.apply(end, this, given)
  }
  response.end = endOnce as typeof end
  coverResponses(request, response)
  gate(response, onEntry(response), current)
}

/** RFC 6265, section 5.1.4: a path matches itself and what is below it, not every path that it begins. */
function isUnder(path: string, request: SessionRequest): boolean {
  const url = typeof request.originalUrl === 'string' ? request.originalUrl : (request.url ?? '')
  const pathname = pathnameOf(url)
  if (!pathname.startsWith(path)) return false
  return path.endsWith('/') || pathname.length === path.length || pathname[path.length] === '/'
}

function pathnameOf(url: string): string {
  if (!url.startsWith('/') && URL.canParse(url)) return new URL(url).pathname
  return url.split(/[?#]/, 1)[0] || '/'
}

function isSecure(request: SessionRequest, proxy: boolean | undefined): boolean {
  if ((request.connection as { encrypted?: boolean } | undefined)?.encrypted) return true
  if (proxy === false) return false
  if (proxy !== true) return request.secure === true
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '')
  return forwarded.split(',', 1)[0]?.trim().toLowerCase() === 'https'
}

function randomId(): string {
  return randomText(24)
}

const memoryStoreWarning = `Warning: connect.session() MemoryStore is not
designed for a production environment, as it will leak
memory, and will not scale past a single process.`
