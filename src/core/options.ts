import type { AcceptedSessions } from './accepted-sessions.js'
import type { ClientSettings } from './client.js'
import { type CookieOptions, type CookieSettings, cookieSettingsOf } from './cookie.js'
import { type CookieStore, isCookieStore, serverSide } from './cookie-store.js'
import { type CrossOriginOptions, trustedOrigins } from './cross-origin.js'
import {
  type AssuranceLevel,
  type Duration,
  type Lifetime,
  type LifetimeOptions,
  lifetimeOf,
  milliseconds,
} from './lifetime.js'
import {
  longestTimer,
  oneOf,
  refuse,
  refuseOption,
  refuseRequest,
  refuseUnknownOptions,
  wholeNumber,
} from './option-checks.js'
import type { SessionStore } from './store.js'
import { type HeaderTransport, headerTransportOf, type TransportOptions } from './transport.js'

/** What `createSessions` takes. Every option has a default that is safe. */
export interface SessionsOptions {
  /** Where sessions are kept. Default: bounded memory of this process, which is for a first try. */
  store?: SessionStore | CookieStore
  /** How long sessions last: limits, or the name of a NIST assurance level. Default: 24 hours idle, 30 days absolute. */
  lifetime?: LifetimeOptions | AssuranceLevel
  /** The session cookie's name and attributes. */
  cookie?: CookieOptions
  /**
   * Carries the token in a header instead of the cookie, for mobile and native clients. To serve browsers as well, make
   * other sessions on the same store, and mount each on its own paths. Default: the cookie.
   */
  transport?: TransportOptions
  /**
   * What a visitor meets while the store is down. `'fail'` (default): an error, answered with 503. `'anonymous'`: an
   * empty session that cannot be changed and sets no cookie; choose it only for pages that need no session.
   */
  onStoreError?: 'fail' | 'anonymous'
  /** How long a call of the store may take, 24 days at most. Default `'5s'`. */
  storeTimeout?: Duration
  /**
   * Refuses state-changing requests that a browser sends for other origins. `true`, or the origins to trust beside the
   * app's own. Default `false`, since `SameSite=Lax` already keeps the cookie from most of them.
   */
  crossOrigin?: boolean | CrossOriginOptions
  /** How many sessions a user may have, and what becomes of a sign-in beyond. Default: any number. (ASVS 7.1.2) */
  maxPerUser?: { limit: number; whenFull: 'end-oldest' | 'refuse' }
  /** Keep the `User-Agent` of whoever signs in, so that a user recognizes their devices. Default `true`. */
  device?: boolean
  /** Keep the address of whoever signs in. Personal data in most places. Default `true`. */
  address?: boolean
  /**
   * What happens when a signed-in session comes from another device or network: `'report'` (default), an event;
   * `'reauthenticate'`, the event, and `requireFresh` asks for a new sign-in. Nobody is ever locked out by it. Of `device`
   * and `address`, what is not kept is not compared.
   */
  onBindingChange?: 'report' | 'reauthenticate'
  /** Send `Cache-Control: no-store` with what a signed-in user's session was used for. Default `false`. (ASVS 14.3.2) */
  noStore?: boolean
  /**
   * Visitors who still carry the cookie of another library are taken over with their session:
   * `expressSessionCookie({ … })` or `cookieSessionCookie({ … })` of `sojourn/express-session`. Drop it when those cookies
   * have expired. Default: nobody.
   */
  accept?: AcceptedSessions
  /** The clock, in whole milliseconds since the epoch; for tests. Default `Date.now`. */
  clock?: () => number
}

/** {@link SessionsOptions} as used: checked once, complete and frozen. */
export interface Settings {
  readonly lifetime: Lifetime
  /** Where a header carries the token, only their `secure` counts: whether one may travel on a connection. */
  readonly cookie: CookieSettings
  /** The header that carries the token; `null` for the cookie. */
  readonly transport: HeaderTransport | null
  readonly onStoreError: 'fail' | 'anonymous'
  readonly storeTimeout: number
  /** Origins that may change state beside the app's own; `null` where that is not checked. */
  readonly trustedOrigins: ReadonlySet<string> | null
  readonly maxPerUser: { readonly limit: number; readonly whenFull: 'end-oldest' | 'refuse' } | null
  readonly client: ClientSettings
  readonly onBindingChange: 'report' | 'reauthenticate'
  readonly noStore: boolean
  readonly clock: () => number
}

const known = {
  createSessions: [
    'store',
    'lifetime',
    'cookie',
    'transport',
    'onStoreError',
    'storeTimeout',
    'crossOrigin',
    'maxPerUser',
    'device',
    'address',
    'onBindingChange',
    'noStore',
    'accept',
    'clock',
  ],
  transport: ['header', 'responseHeader', 'secure'],
  crossOrigin: ['trusted'],
  maxPerUser: ['limit', 'whenFull'],
  lifetime: ['idle', 'absolute', 'remember', 'renewal'],
  'lifetime.remember': ['idle', 'absolute'],
  'lifetime.renewal': ['every', 'overlap'],
  cookie: ['name', 'secure', 'domain', 'path', 'sameSite', 'partitioned', 'priority'],
}

/** Checks options. Throws `invalid_option`, naming the option and what would be right. */
export function settingsOf(options: SessionsOptions): Settings {
  if (typeof (options as Partial<SessionStore> | null)?.patch === 'function') {
    refuse('A store was given in place of the options: write { store } around it')
  }
  refuseRequest(options)
  refuseUnknown('createSessions', options)
  const { store, lifetime = {}, cookie = {}, storeTimeout = '5s', clock = () => Date.now() } = options
  if (store !== undefined && !isCookieStore(store)) checkStore(store)
  if (typeof lifetime !== 'string') {
    refuseUnknown('lifetime', lifetime)
    refuseUnknown('lifetime.remember', lifetime.remember)
    if (typeof lifetime.renewal === 'object') refuseUnknown('lifetime.renewal', lifetime.renewal)
  }
  refuseUnknown('cookie', cookie)
  const transport = options.transport === undefined ? null : transportOf(options, options.transport)
  checkClock(clock)
  return {
    lifetime: lifetimeOf(lifetime),
    cookie: cookieSettingsOf(options.transport ?? cookie),
    transport,
    onStoreError: oneOf(options.onStoreError, ['fail', 'anonymous'], 'onStoreError'),
    storeTimeout: storeTimeoutOf(storeTimeout),
    trustedOrigins: originsOf(options.crossOrigin),
    maxPerUser:
      options.maxPerUser === undefined
        ? null
        : maxPerUserOf(options.maxPerUser, isCookieStore(store) ? serverSide(store) : store),
    ...bindingOf(options),
    noStore: oneOf(options.noStore, [false, true], 'noStore'),
    clock,
  }
}

function bindingOf(options: SessionsOptions): Pick<Settings, 'client' | 'onBindingChange'> {
  const device = oneOf(options.device, [true, false], 'device')
  const address = oneOf(options.address, [true, false], 'address')
  const onBindingChange = oneOf(options.onBindingChange, ['report', 'reauthenticate'], 'onBindingChange')
  if (onBindingChange === 'reauthenticate' && !device && !address) {
    refuse("onBindingChange 'reauthenticate' needs device or address")
  }
  return { client: { device, address }, onBindingChange }
}

/** Stores keep whole milliseconds, and a `Date` or `performance.now()` would end up in their records. */
function checkClock(clock: unknown): void {
  if (typeof clock === 'function' && Number.isSafeInteger(clock())) return
  refuseOption('clock', 'a function that returns whole milliseconds since the epoch', clock)
}

function storeTimeoutOf(duration: Duration): number {
  const timeout = milliseconds(duration, 'storeTimeout')
  if (timeout > longestTimer) refuseOption('storeTimeout', '24 days at most', duration)
  return timeout
}

/** Refuses what only cookies can do. */
function transportOf(options: SessionsOptions, option: TransportOptions): HeaderTransport {
  refuseUnknownOptions('transport', option, known.transport)
  const { store } = options
  for (const name of ['cookie', 'accept'] as const) {
    if (options[name] !== undefined) refuse(`${name} does not go with transport: leave it out`)
  }
  if (isCookieStore(store)) refuse('store must not be a cookieStore with transport: use a store on the server')
  return headerTransportOf(option)
}

function originsOf(option: boolean | CrossOriginOptions = false): ReadonlySet<string> | null {
  if (typeof option === 'boolean') return option ? trustedOrigins({}) : null
  refuseUnknown('crossOrigin', option)
  return trustedOrigins(option)
}

function maxPerUserOf(option: NonNullable<SessionsOptions['maxPerUser']>, store: SessionStore | undefined) {
  refuseUnknown('maxPerUser', option)
  const limit = wholeNumber(option.limit, 'maxPerUser.limit')
  if (store && !store.list) refuse('maxPerUser needs a store that can list sessions')
  // It has no default, so that left out it is refused like any other text.
  const whenFull = String(option.whenFull) as typeof option.whenFull
  return { limit, whenFull: oneOf(whenFull, ['end-oldest', 'refuse'], 'maxPerUser.whenFull') }
}

function refuseUnknown(what: keyof typeof known, options: object | undefined): void {
  refuseUnknownOptions(what, options, known[what], elsewhere)
}

const nothingToSign = 'there is nothing to sign: leave it out'

/** What users of other session libraries write, and where it went. */
const elsewhere = {
  secret: nothingToSign,
  secrets: nothingToSign,
  genid: nothingToSign,
  resave: 'only what changed is written: leave it out',
  saveUninitialized: 'an empty session is never stored: leave it out',
  rolling: 'set lifetime.idle',
  unset: 'call session.destroy()',
  maxAge: 'set lifetime.idle and lifetime.absolute, and remember of signIn() for a lasting cookie',
  expires: 'set lifetime.absolute',
  ttl: 'set lifetime.idle',
  httpOnly: 'the cookie is always HttpOnly: leave it out',
  name: 'set cookie.name',
  proxy: "set your framework's own trust proxy setting",
}

function checkStore(store: SessionStore): void {
  const missing = (['read', 'create', 'patch', 'delete'] as const).filter(
    (method) => typeof (store as Partial<SessionStore> | null)?.[method] !== 'function',
  )
  if (missing.length === 0) return
  const fix = (store as { get?: unknown } | null)?.get
    ? "It looks like a store for express-session: wrap it in fromConnectStore() of 'sojourn/express-session'"
    : 'Give createSessions() a store, such as sqliteStore() or await openStore()'
  refuse(`store has no ${missing.join('(), no ')}(). ${fix}`)
}
