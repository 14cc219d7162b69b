import { clearCookie, privateCacheControl, setCookie } from './cookie.js'
import { tokenText } from './token.js'
import type { Visit } from './visit.js'

/** The head of a response, as far as a session has a say in it. */
export interface ResponseHead {
  get(name: string): string | undefined
  set(name: string, value: string): void
  append(name: string, value: string): void
}

/**
 * The `Set-Cookie` values for what a visit's commit has led to. Sent when the token changed; cleared only when this
 * response ended the session, since clearing it for a token that was not found would race with the response that
 * replaced it.
 */
export function sessionCookies(visit: Visit): string[] {
  const { form, token, cookie, sealed } = visit
  if (!form) return []
  if (sealed) return sealed.setCookies(token, secondsToKeep(visit))
  if (cookie === 'none') return []
  return [cookie === 'send' && token ? setCookie(form, tokenText(token), secondsToKeep(visit)) : clearCookie(form)]
}

/** For how long the browser keeps the cookie; `undefined`: until it closes. */
function secondsToKeep({ engine, limits, signedIn, start }: Visit): number | undefined {
  return signedIn?.remember ? (start + limits.absolute - engine.settings.clock()) / 1000 : undefined
}

/** Writes what the session has to say into the head of a response, after the commit. */
export function finishHead(visit: Visit, head: ResponseHead): void {
  if (visit.wasUsed) noteUse(visit, head)
  const cookies = sessionCookies(visit)
  if (cookies.length > 0) {
    for (const cookie of cookies) head.append('Set-Cookie', cookie)
    head.set('Cache-Control', privateCacheControl(head.get('Cache-Control')))
  }
  if (visit.clearSiteData) head.set('Clear-Site-Data', '"cache", "storage"')
}

/** Tells caches that a response depends on the session. */
export function noteUse(visit: Visit, head: ResponseHead): void {
  varyByCookie(head)
  if (visit.noStore || (visit.engine.settings.noStore && visit.userId !== null)) head.set('Cache-Control', 'no-store')
}

/** RFC 9110, section 12.5.5. */
function varyByCookie(head: ResponseHead): void {
  const vary = head.get('Vary')
  if (!vary) head.set('Vary', 'Cookie')
  else if (!vary.split(',').some((name) => /^\s*(cookie|\*)\s*$/i.test(name))) head.set('Vary', `${vary}, Cookie`)
}
