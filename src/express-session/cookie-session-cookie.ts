import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { AcceptedSessions } from '../core/accepted-sessions.js'
import { after } from '../core/guarded-store.js'
import { refuse, refuseOption, refuseUnknownOptions } from '../core/option-checks.js'
import type { SessionStore } from '../core/store.js'
import { acceptedSessions, continuedToken, userIdIn } from '../core/take-over.js'
import { textsOfValues } from './record-texts.js'
import { findCookie } from './request-cookie.js'

/** What `cookieSessionCookie` takes: the options with which `cookie-session` made its cookies. */
export interface CookieSessionCookieOptions {
  /** The cookie's name, as cookie-session was told. Default `session`. */
  name?: string
  /** What signed the cookie: the `keys` of cookie-session, or its `secret`. */
  keys: string | readonly string[]
  /**
   * The store of the sessions that go on. A cookie cannot be ended, so the store remembers for as long as a browser keeps
   * one, 400 days, which were taken over.
   */
  store: SessionStore
  /** Whether cookie-session was given a `maxAge`, so that its cookies outlive the browser. Default `false`. */
  remember?: boolean
  /** Tells from a session who is signed in, as the app kept it: nobody, for `null` or `undefined`; an error, for what is no id. */
  userId?(session: { [name: string]: unknown }): string | number | bigint | null | undefined
}

/** RFC 6265bis, section 5.5: browsers forget a cookie after so long. */
const cookieLifetime = 400 * 86_400_000

/**
 * For the `accept` option of `createSessions`: a visitor who still carries the cookie of `cookie-session` goes on with the
 * same values, signed in as before. The cookie is taken over once; who signs out is not signed in by it again. But an
 * older one, from before a change, is another cookie, as it was to `cookie-session`: drop the option soon.
 *
 * @throws `invalid_option` without keys or a store, and for an option that is unknown or wrong
 */
export function cookieSessionCookie(options: CookieSessionCookieOptions): AcceptedSessions {
  refuseUnknownOptions('cookieSessionCookie', options, ['name', 'keys', 'store', 'remember', 'userId'])
  const given = options ?? ({} as CookieSessionCookieOptions)
  const { name = 'session', store, remember = false, userId = () => null } = given
  const keys = [given.keys].flat()
  if (keys.length === 0 || keys.some((key) => typeof key !== 'string' || !key)) {
    refuse('keys of cookieSessionCookie must be what signed the cookies until now, as text')
  }
  if (typeof store?.create !== 'function') {
    refuseOption('store of cookieSessionCookie', 'a store on the server', store)
  }
  if (typeof name !== 'string') refuseOption('name of cookieSessionCookie', 'that of the old cookie', name)
  if (typeof remember !== 'boolean') refuseOption('remember of cookieSessionCookie', 'true or false', remember)
  if (typeof userId !== 'function') refuseOption('userId of cookieSessionCookie', 'a function', userId)
  return acceptedSessions({
    secrets: keys,
    isOfSession: true,

    find(header) {
      const [value, signature] = [findCookie(header, name), findCookie(header, `${name}.sig`)]
      if (!value || !signature) return null
      const key = keys.find((one) => isSame(signature, sign(one, `${name}=${value}`)))
      return key === undefined ? null : { id: value, token: continuedToken(key, value) }
    },

    read(id) {
      const session = decode(id)
      if (!session) return null
      return after(store.read(markOf(id)), (mark) => {
        if (mark) return null
        const now = Date.now()
        return {
          values: textsOfValues(session),
          userId: userIdIn(userId, session),
          createdAt: now,
          expiresAt: now + cookieLifetime,
          remember,
        }
      })
    },

    end(id) {
      const now = Date.now()
      return store.create(markOf(id), { values: {}, userId: null, createdAt: now, expiresAt: now + cookieLifetime })
    },
  })
}

/** What cookie-session calls a signature: that of Keygrip. */
function sign(key: string, text: string): string {
  return createHmac('sha1', key).update(text).digest('base64url')
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function decode(value: string): { [name: string]: unknown } | null {
  try {
    const session: unknown = JSON.parse(Buffer.from(value, 'base64').toString())
    return typeof session === 'object' && session !== null ? { ...session } : null
  } catch {
    return null
  }
}

/** Under which the store remembers that a cookie was taken over. */
function markOf(value: string): string {
  return createHash('sha256').update(`sojourn: taken over ${value}`).digest('base64url')
}
