import { stringifySetCookie } from 'cookie'
import depd from 'depd'

const deprecate = depd('express-session')

/** The attributes of the session cookie, as the `cookie` option names them. */
export interface CookieOptions {
  /** How long the cookie lives, in milliseconds; sent as `Expires`. Without it, until the browser closes. */
  maxAge?: number | undefined
  /** When the cookie ends. Give `maxAge` instead; of the two, the one named last counts. */
  expires?: Date | null | undefined
  /** Hidden from scripts in the page. Default: true. */
  httpOnly?: boolean | undefined
  /** Default: `/`. Requests to other paths get no session. */
  path?: string | undefined
  domain?: string | undefined
  /** Sent over HTTPS only; `'auto'`: if the request came over HTTPS. Default: false. */
  secure?: boolean | 'auto' | undefined
  /** `true` means strict; `'auto'`: `none` if the request came over HTTPS, else `lax`. Default: not sent. */
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
  partitioned?: boolean | undefined
  priority?: 'low' | 'medium' | 'high' | undefined
  /** Kept on the cookie object and otherwise without effect. */
  signed?: boolean | undefined
  /** Kept on the cookie object and otherwise without effect. */
  encode?: ((value: string) => string) | undefined
}

/** What of a cookie is stored with its session, in the order in which it is stored. */
export interface CookieData {
  originalMaxAge: number | null
  partitioned?: boolean | undefined
  priority?: 'low' | 'medium' | 'high' | undefined
  expires?: Date | null | undefined
  secure?: boolean | 'auto' | undefined
  httpOnly?: boolean | undefined
  domain?: string | undefined
  path?: string | undefined
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
}

/** The cookie of one session. What a handler changes here is kept with the session. */
export interface Cookie extends Omit<CookieOptions, 'sameSite'> {
  /** By the time that there is a cookie, `'auto'` has been decided. */
  sameSite?: Exclude<CookieOptions['sameSite'], 'auto'>
  /** The lifetime that `touch` starts anew, in milliseconds; `null` for a cookie that ends with the browser. */
  originalMaxAge: number | null
}

/** What a cookie can do besides, which the typings of express-session keep to themselves. */
export interface WorkingCookie extends Cookie {
  readonly data: CookieData
  /** A `Set-Cookie` line with this cookie's attributes. */
  serialize(name: string, value: string): string
  toJSON(): CookieData
}

export interface CookieConstructor {
  new (options?: CookieOptions): WorkingCookie
  prototype: WorkingCookie
}

interface StoredCookie extends WorkingCookie {
  _expires: Date | null | undefined
}

/** The cookie of one session, with the defaults of `express-session`. Throws when `options` is not an object. */
export const Cookie = {
  // Named by its property, as Session is.
  Cookie: function (this: Cookie, options?: CookieOptions) {
    this.path = '/'
    this.maxAge = null as unknown as undefined
    this.httpOnly = true
    if (options) {
      if (typeof options !== 'object') throw new TypeError('argument options must be a object')
      // Inherited options count, and the order matters: the later of `expires` and `maxAge` wins.
      for (const name in options) {
        if (name !== 'data') (this as unknown as Record<string, unknown>)[name] = options[name as keyof CookieOptions]
      }
    }
    if (this.originalMaxAge === undefined || this.originalMaxAge === null) {
      this.originalMaxAge = this.maxAge as unknown as number | null
    }
  },
}.Cookie as unknown as CookieConstructor

// Enumerable, and without a `constructor`: copying one cookie into another by `for in` has to find the accessors.
Cookie.prototype = {
  set expires(date: Date | null | undefined) {
    const cookie = this as unknown as StoredCookie
    cookie._expires = date
    cookie.originalMaxAge = cookie.maxAge as number | null
  },

  get expires(): Date | null | undefined {
    return (this as unknown as StoredCookie)._expires
  },

  set maxAge(duration: number | undefined) {
    const given = duration as number | Date | null | undefined
    if (given && typeof given !== 'number' && !(given instanceof Date)) {
      throw new TypeError('maxAge must be a number or Date')
    }
    if (given instanceof Date) deprecate('maxAge as Date; pass number of milliseconds instead')
    this.expires = typeof given === 'number' ? new Date(Date.now() + given) : given
  },

  get maxAge(): number | undefined {
    const end = this.expires
    return end instanceof Date ? end.valueOf() - Date.now() : (end as unknown as undefined)
  },

  get data(): CookieData {
    const cookie = this as unknown as StoredCookie
    return {
      originalMaxAge: cookie.originalMaxAge,
      partitioned: cookie.partitioned,
      priority: cookie.priority,
      expires: cookie._expires,
      secure: cookie.secure,
      httpOnly: cookie.httpOnly,
      domain: cookie.domain,
      path: cookie.path,
      sameSite: cookie.sameSite,
    }
  },

  serialize(name: string, value: string): string {
    return serialize(name, value, this.data)
  },

  toJSON(): CookieData {
    return this.data
  },
} as WorkingCookie

/** The cookie of a stored record. Its date may be text, and the lifetime to start anew is the one that was stored. */
export function cookieOfRecord(stored: Cookie): WorkingCookie {
  // Of a record that has no cookie, the message is to be that of express-session.
  const expires = stored.expires
  const originalMaxAge = stored.originalMaxAge
  const cookie = new Cookie(stored)
  if (typeof expires === 'string') cookie.expires = new Date(expires)
  // Setting `expires` moved it.
  cookie.originalMaxAge = originalMaxAge
  return cookie
}

/** RFC 6265, section 4.1.1: a cookie's name is a token. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * A `Set-Cookie` line. Throws a `TypeError` that names what is wrong and never quotes it: of a session cookie, the value
 * is the secret.
 */
export function serialize(name: string, value: string, attributes: CookieData): string {
  if (!token.test(name)) throw new TypeError('argument name is invalid')
  try {
    return stringifySetCookie(name, value, attributes as Parameters<typeof stringifySetCookie>[2])
  } catch (error) {
    if (error instanceof TypeError) error.message = error.message.replace(/ is invalid: .*/s, ' is invalid')
    throw error
  }
}
