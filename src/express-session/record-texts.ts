/**
 * A session of express-session as a record of Sojourn, and back: each value as JSON text under its name, and the cookie
 * beside them. Both bridges write it this way, so that what one moved the other can read.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { isOwnName, oddNamePrefix } from '../core/own-names.js'
import type { SessionRecord } from '../core/store.js'
import { Cookie } from './cookie.js'
import type { SessionData } from './session-data.js'

/** The value that holds the cookie, without `expires` where that is a date: the record's own expiry is that date. */
export const cookieName = '__cookie'

/** The texts of a session's values and of its cookie. Throws what JSON throws. */
export function textsOf({ cookie, ...values }: { cookie: Cookie }): Record<string, string> {
  return { [cookieName]: cookieText(cookie), ...textsOfValues(values) }
}

/** Values as texts, under names that a store takes. */
export function textsOfValues(values: object): Record<string, string> {
  const texts: [string, string][] = []
  for (const [name, value] of Object.entries(values)) {
    const text = JSON.stringify(value)
    if (text === undefined) continue
    texts.push(isPlainName(name) ? [name, text] : [oddName(name), JSON.stringify([name, value])])
  }
  return Object.fromEntries(texts)
}

/** The session whose texts these are. */
export function sessionOf({ values, expiresAt }: SessionRecord): SessionData {
  const entries: [string, unknown][] = [['cookie', cookieOf(values[cookieName], expiresAt)]]
  for (const [name, text] of Object.entries(values)) {
    if (!isOwnName(name)) entries.push(name.startsWith(oddNamePrefix) ? JSON.parse(text) : [name, JSON.parse(text)])
  }
  return Object.fromEntries(entries) as unknown as SessionData
}

/** When a session's cookie ends, in milliseconds since the epoch; undefined for one that ends with the browser. */
export function endOf({ cookie }: SessionData): number | undefined {
  const expires = cookie.expires as Date | string | null | false | undefined
  const end = expires ? new Date(expires).getTime() : Number.NaN
  return Number.isNaN(end) ? undefined : end
}

function cookieText(cookie: Cookie): string {
  const { expires, ...data } = JSON.parse(JSON.stringify(cookie))
  return JSON.stringify(typeof expires === 'string' ? data : { ...data, expires: expires ?? null })
}

function cookieOf(text: string | undefined, expiresAt: number): Cookie {
  const date = new Date(expiresAt)
  if (text === undefined) return new Cookie({ expires: date })
  const data = JSON.parse(text)
  return 'expires' in data ? data : { ...data, expires: date.toISOString() }
}

/** Whether a store takes the name as it is; those that begin with `__` belong to the engine. */
function isPlainName(name: string): boolean {
  if (name === '' || name.startsWith('__') || Buffer.byteLength(name) > 128) return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a name may not have.
  return name.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f]/.test(name)
}

/** Stands for a name that a store does not take: the text is then the name and the value. */
function oddName(name: string): string {
  return oddNamePrefix + createHash('sha256').update(name, 'utf16le').digest('base64url')
}
