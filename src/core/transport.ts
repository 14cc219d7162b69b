import { isHeaderToken } from './cookie.js'
import { oneOf, refuseOption } from './option-checks.js'
import { parseToken, type Token, tokenText } from './token.js'

/** The token in a header instead of a cookie: for mobile and native apps, and other clients that keep no cookies. */
export interface TransportOptions {
  /**
   * The request header that brings the token: `'authorization'`, where it stands as `Bearer <token>` (RFC 6750), or one
   * of your choice, such as `'x-session'`, where it stands alone.
   */
  header: string
  /**
   * The response header in which a new token comes back; it is empty once the session was ended. Default: the name of
   * `header`, or `'session-token'` for `authorization`.
   */
  responseHeader?: string
  /**
   * `'auto'` (default): only over a secure connection, or on a loopback host; nothing at all on other plain HTTP. `true`:
   * always, where a proxy ends TLS and the connection cannot tell. `false`: also over plain HTTP, for a site without TLS.
   */
  secure?: boolean | 'auto'
}

/** {@link TransportOptions} as used. Names are in lower case. */
export interface HeaderTransport {
  readonly header: string
  readonly responseHeader: string
}

/** Checks {@link TransportOptions}. Throws `invalid_option`. */
export function headerTransportOf({ header, responseHeader, secure }: TransportOptions): HeaderTransport {
  const name = headerName(header, 'transport.header', 'authorization')
  oneOf(secure, ['auto', true, false], 'transport.secure')
  const usual = name === 'authorization' ? 'session-token' : name
  return {
    header: name,
    responseHeader: headerName(responseHeader ?? usual, 'transport.responseHeader', 'session-token'),
  }
}

/** RFC 9110, section 5.1. */
function headerName(name: string, option: string, example: string): string {
  if (isHeaderToken(name) && !/^(set-)?cookie2?$/i.test(name)) return name.toLowerCase()
  refuseOption(option, `the name of a header, such as '${example}', and not that of cookies`, name)
}

/** The token that a header brings; none where it has another shape. */
export function headerTokens({ header }: HeaderTransport, value: string): Token[] {
  const text = header === 'authorization' ? /^bearer +([\w-]+) *$/i.exec(value)?.[1] : value
  const token = text === undefined ? null : parseToken(text)
  return token ? [token] : []
}

/**
 * What a 401 asks of a client (RFC 9110, section 11.6.1; RFC 6750, section 3); `null` where no scheme has a name. Who is known is
 * to sign in again (RFC 9470, section 3).
 */
export function challenge(
  transport: HeaderTransport | null,
  code: 'unauthenticated' | 'stale_authentication',
): string | null {
  if (transport?.header !== 'authorization') return null
  return code === 'stale_authentication' ? 'Bearer error="insufficient_user_authentication"' : 'Bearer'
}

/** What a client sends in the header. */
export function headerValue({ header }: HeaderTransport, token: Token): string {
  return header === 'authorization' ? `Bearer ${tokenText(token)}` : tokenText(token)
}
