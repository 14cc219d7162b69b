import { clearCookie, privateCacheControl, setCookie } from './cookie.js'
import { tokenText } from './token.js'
import type { Visit } from './visit.js'

/** Headers of a response that can be added to. */
export interface ResponseHeaders {
  get(name: string): string | null | undefined
  set(name: string, value: string): void
  append(name: string, value: string): void
}

/**
 * The `Set-Cookie` values for what a visit's commit has led to. Sent when the token changed; cleared only when this
 * response ended the session, since clearing it for a token that was not found would race with the response that
 * replaced it.
 */
export function sessionCookies(visit: Visit): string[] {
  const { token, cookie, sealed, failure, lost } = visit
  // A sealed session that was changed goes to the client each time; but not where its change failed, or has lost to another.
  const mayBeSealed = sealed && failure === undefined && !lost
  if (cookie === 'none' && !mayBeSealed) return []
  const { form } = visit
  if (!form || visit.engine.settings.transport) return []
  if (sealed) return sealed.setCookies(token, secondsToKeep(visit), cookie === 'send')
  return [cookie === 'send' && token ? setCookie(form, tokenText(token), secondsToKeep(visit)) : clearCookie(form)]
}

/** For how long the browser keeps the cookie; `undefined`: until it closes. */
function secondsToKeep({ engine, limits, signedIn, start }: Visit): number | undefined {
  return signedIn?.remember ? (start + limits.absolute - engine.settings.clock()) / 1000 : undefined
}

/** Writes what the session has to say into the head of a response, after the commit. */
export function finishHead(visit: Visit, head: ResponseHeaders): void {
  if (visit.wasUsed) noteUse(visit, head)
  tellToken(visit, head)
  const cookies = sessionCookies(visit)
  if (cookies.length > 0) {
    for (const cookie of cookies) head.append('Set-Cookie', cookie)
    head.set('Cache-Control', privateCacheControl(head.get('Cache-Control')))
  }
  if (visit.clearSiteData) head.set('Clear-Site-Data', '"cache", "storage"')
}

/**
 * A new token where a header carries it; an empty value, which no token is, where this response ended the session. Apps
 * have caches of their own on disk, so it is not to be kept at all.
 */
function tellToken(visit: Visit, head: ResponseHeaders): void {
  const { engine, cookie, token } = visit
  const { transport } = engine.settings
  if (!transport || cookie === 'none' || !visit.form) return
  head.set(transport.responseHeader, cookie === 'send' && token ? tokenText(token) : '')
  head.set('Cache-Control', 'no-store')
}

/** Tells caches that a response depends on the session; also one that begins or ends it, when its user is gone already. */
export function noteUse(visit: Visit, head: Pick<ResponseHeaders, 'get' | 'set'>): void {
  varyBy(visit.engine.settings.transport?.header ?? 'Cookie', head)
  const isPersonal = visit.userId !== null || visit.cookie !== 'none'
  if (visit.noStore || (visit.engine.settings.noStore && isPersonal)) head.set('Cache-Control', 'no-store')
}

/** RFC 9110, section 12.5.5. */
function varyBy(header: string, head: Pick<ResponseHeaders, 'get' | 'set'>): void {
  const vary = head.get('Vary')
  const isSaid = (name: string) => name === '*' || name === header.toLowerCase()
  if (!vary) head.set('Vary', header)
  else if (!vary.split(',').some((name) => isSaid(name.trim().toLowerCase()))) head.set('Vary', `${vary}, ${header}`)
}
