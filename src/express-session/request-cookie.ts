import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import depd from 'depd'
import { type Secret, unsign } from './signature.js'

const deprecate = depd('express-session')

/** A request, and what cookie-parser may have put there. */
export interface RequestWithCookies extends IncomingMessage {
  secret?: Secret
  /** Text, but for what a visitor wrote as JSON: `j:{}`. */
  cookies?: { [name: string]: unknown }
  signedCookies?: { [name: string]: unknown }
}

/** The session id that the request brings in a cookie signed with one of the secrets. */
export function readSessionId(
  request: RequestWithCookies,
  name: string,
  secrets: readonly Secret[],
): string | undefined {
  const { cookie } = request.headers
  const id = cookie ? unsignCookie(findCookie(cookie, name), secrets) : undefined
  return id || fromCookieParser(request, name, secrets)
}

function fromCookieParser(request: RequestWithCookies, name: string, secrets: readonly Secret[]): string | undefined {
  const signed = textOf(request.signedCookies, name)
  const id = signed || unsignCookie(textOf(request.cookies, name), secrets)
  if (id) deprecate('cookie should be available in req.headers.cookie')
  return id || undefined
}

function textOf(cookies: { [name: string]: unknown } | undefined, name: string): string | undefined {
  const value = cookies?.[name]
  return typeof value === 'string' ? value : undefined
}

export function unsignCookie(value: string | undefined, secrets: readonly Secret[]): string | undefined {
  return value?.startsWith('s:') ? unsign(value.slice(2), secrets) : undefined
}

/** The first cookie of that name. Only its own value is decoded; quotes around it are no part of it. */
export function findCookie(header: string, name: string): string | undefined {
  if (!header.includes(name)) return undefined
  const value = parseCookie(header, { decode: asItIs })[name]
  return value === undefined
    ? undefined
    : decode(value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value)
}

function asItIs(value: string): string {
  return value
}

function decode(value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
