import { serialize } from 'cookie'
import { SojournError } from './errors.js'
import { oneOf, refuseOption } from './option-checks.js'
import type { RequestFacts } from './request-facts.js'

/** The session cookie's attributes. The defaults suit nearly every app. */
export interface CookieOptions {
  /** Its name without a prefix; `__Host-` or `__Secure-` is put before it. Default `'session'`. */
  name?: string
  /**
   * `'auto'` (default): `Secure` and a name prefix on a secure connection; the plain name on a loopback host; nothing
   * at all on other plain HTTP. `true`: always `Secure`, where a proxy ends TLS and the connection cannot tell.
   * `false`: never, for a site that has no TLS (RFC 6265bis, section 8.3, says what that costs).
   */
  secure?: boolean | 'auto'
  /** Share the cookie with the subdomains of this domain. Default: this host only, which is safer (`__Host-`). */
  domain?: string
  /** Default `'/'`. Another path is no security boundary (RFC 6265bis, section 8.5) and gives up `__Host-`. */
  path?: string
  /**
   * Default `'lax'`. `'none'` sends it from other sites and needs `Secure`. With `'strict'`, whoever comes by a link from
   * another site is a guest.
   */
  sameSite?: 'lax' | 'strict' | 'none'
  /** Keep one cookie for each embedding site (CHIPS). Needs `Secure`; of use with `sameSite: 'none'`. Default `false`. */
  partitioned?: boolean
  /** A hint which cookies to evict last, known to Chromium. */
  priority?: 'low' | 'medium' | 'high'
}

/** One of the two forms in which the cookie travels: secure with a prefix, or plain. */
export interface CookieForm {
  readonly name: string
  readonly secure: boolean
  /** Everything after the value, but for `Max-Age`. */
  readonly attributes: string
}

export interface CookieSettings {
  readonly secure: boolean | 'auto'
  readonly securely: CookieForm
  readonly plainly: CookieForm
}

/** RFC 6265bis, section 5.6: a user agent ignores a cookie whose name and value are longer. */
const maxNameAndValue = 4096
/** RFC 6265bis, section 5.5: a user agent keeps no cookie for longer. Seconds. */
const maxAge = 400 * 86_400

/** Checks {@link CookieOptions}. Throws `invalid_option`. */
export function cookieSettingsOf(options: CookieOptions): CookieSettings {
  const { name = 'session', domain, path = '/', priority } = options
  const secure = oneOf(options.secure, ['auto', true, false], 'cookie.secure')
  const sameSite = oneOf(options.sameSite, ['lax', 'strict', 'none'], 'cookie.sameSite')
  const partitioned = oneOf(options.partitioned, [false, true], 'cookie.partitioned')
  check(
    isHeaderToken(name) && !/^__(host|secure|http)-/i.test(name),
    'cookie.name',
    'a cookie name such as session, without the prefix',
    name,
  )
  check(
    domain === undefined || (typeof domain === 'string' && domain !== '' && fits({ domain })),
    'cookie.domain',
    "a domain such as 'example.com', without scheme and port",
    domain,
  )
  check(
    secure !== false || (sameSite !== 'none' && !partitioned),
    'cookie.secure',
    "'auto' or true with sameSite 'none' or partitioned",
    secure,
  )
  check(
    typeof path === 'string' && path.startsWith('/') && fits({ path }),
    'cookie.path',
    "an encoded path that begins with '/'",
    path,
  )
  if (priority !== undefined) oneOf(priority, ['low', 'medium', 'high'], 'cookie.priority')
  const prefix = domain === undefined && path === '/' ? '__Host-' : '__Secure-'
  const form = (formName: string, isSecure: boolean): CookieForm => ({
    name: formName,
    secure: isSecure,
    attributes: attributesOf({
      path,
      httpOnly: true,
      secure: isSecure,
      sameSite: sameSite === 'none' && !isSecure ? 'lax' : sameSite,
      partitioned: partitioned && isSecure,
      ...(domain && { domain }),
      ...(priority && { priority }),
    }),
  })
  return { secure, securely: form(prefix + name, true), plainly: form(name, false) }
}

/**
 * Whether nobody else can set a cookie of this name: nobody on the network, as where it is plain, and no other host of its
 * domain. With CHIPS the visitor's own may come twice, once for the partition and once without.
 */
export function isOursAlone({ name }: CookieForm): boolean {
  return name.startsWith('__Host-')
}

/** Whether text can be the name of a header or of a cookie (RFC 9110, section 5.6.2), and is short enough for all. */
export function isHeaderToken(text: unknown): text is string {
  return typeof text === 'string' && /^[\w!#$%&'*+.^`|~-]{1,128}$/.test(text)
}

function check(valid: boolean, option: string, expected: string, got: unknown): void {
  if (!valid) refuseOption(option, expected, got)
}

type Attributes = NonNullable<Parameters<typeof serialize>[2]>

function attributesOf(attributes: Attributes): string {
  return serialize('n', '', attributes).slice('n='.length)
}

/** Whether a `Set-Cookie` header can hold them. */
function fits(attributes: Attributes): boolean {
  try {
    return attributesOf(attributes) !== ''
  } catch {
    return false
  }
}

/**
 * The form of the cookie on a connection; `null` where none may be sent. The two forms are never read together: a plain
 * cookie, which anybody on the network may have planted, never stands in for a secure one.
 */
export function cookieFormOf(
  settings: CookieSettings,
  connection: { readonly secure: boolean; readonly host: string | undefined },
): CookieForm | null {
  if (settings.secure !== 'auto') return settings.secure ? settings.securely : settings.plainly
  if (connection.secure) return settings.securely
  return isLoopback(connection.host) ? settings.plainly : null
}

const loopback = /^((.+\.)?localhost\.?|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
/** The host that was asked about last, for it is the same with nearly every request. */
let lastAsked = { host: '', isLoopback: false }

/** Whether a `Host` header names this very machine, where plain HTTP is not exposed to a network. */
export function isLoopback(host: string | undefined): boolean {
  if (host === undefined) return false
  if (host !== lastAsked.host) lastAsked = { host, isLoopback: loopback.test(host) }
  return lastAsked.isLoopback
}

/**
 * Every value that a `Cookie` header holds under a name, in order. (A parser that keeps one value a name would hide
 * that there are several, which is what an attack by a planted cookie looks like.) One pass, whatever the header.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (!header?.includes(name)) return values
  let start = 0
  while (start < header.length) {
    let end = header.indexOf(';', start)
    if (end === -1) end = header.length
    while (start < end && isSpace(header, start)) start++
    if (header.startsWith(name, start) && header[start + name.length] === '=') {
      values.push(header.slice(start + name.length + 1, end).trimEnd())
    }
    start = end + 1
  }
  return values
}

function isSpace(text: string, index: number): boolean {
  return text[index] === ' ' || text[index] === '\t'
}

/**
 * A `Set-Cookie` value. Without `seconds` the cookie goes when the browser closes. Throws `cookie_too_large` beyond
 * 4096 bytes of name and value.
 */
export function setCookie(form: CookieForm, value: string, seconds?: number): string {
  const bytes = form.name.length + value.length
  if (bytes > maxNameAndValue) {
    throw new SojournError(
      'cookie_too_large',
      `The cookie ${form.name} would take ${bytes} bytes; browsers ignore it beyond ${maxNameAndValue}. Keep less in the session`,
    )
  }
  const age = seconds === undefined ? '' : `; Max-Age=${Math.max(0, Math.min(maxAge, Math.floor(seconds)))}`
  return `${form.name}=${value}${age}${form.attributes}`
}

/** A `Set-Cookie` value that removes the cookie; it repeats every attribute, as CHIPS asks for `Partitioned`. */
export function clearCookie(form: CookieForm): string {
  return `${form.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT${form.attributes}`
}

/** `Cache-Control` for a response with a session cookie, which a shared cache must not keep (RFC 9111, section 7.3). */
export function privateCacheControl(value: string | null | undefined): string {
  if (!value) return 'private'
  const directives = value.split(',').map((directive) => directive.trim())
  if (directives.some((directive) => /^(private|no-store)$/i.test(directive))) return value
  return [
    'private',
    ...directives.filter((directive) => directive && !/^(public|s-maxage\b.*)$/i.test(directive)),
  ].join(', ')
}

/** Whether a proxy says that it handed the request on. */
export function isForwarded(request: Pick<RequestFacts, 'header'>): boolean {
  return ['x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'via'].some(
    (name) => request.header(name) !== undefined,
  )
}

/**
 * The `Host` header of a request that came straight from its client; `undefined` where a proxy handed it on for a
 * client elsewhere, since such a proxy often puts a loopback name there.
 */
export function directHost(request: Pick<RequestFacts, 'header'>): string | undefined {
  const forwardedFor = request.header('x-forwarded-for') ?? request.header('x-real-ip')
  const isDirect =
    forwardedFor === undefined
      ? !isForwarded(request)
      : forwardedFor.split(',').every((client) => /^\s*(::1|(::ffff:)?127(\.\d{1,3}){3})\s*$/.test(client))
  return isDirect ? request.header('host') : undefined
}
