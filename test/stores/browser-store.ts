import { hash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CookieForm } from '../../src/core/cookie.js'
import type { CookieStore, SealedSession } from '../../src/core/cookie-store.js'
import type { Awaitable, SessionStore } from '../../src/core/store.js'
import type { Token } from '../../src/core/token.js'

const form: CookieForm = { name: '__Host-session', secure: true, attributes: '; Path=/; Secure' }

/** What one browser keeps, by name. */
export type Jar = Map<string, string>

/** The `Cookie` header of a browser. */
export function cookieHeader(jar: Jar): string {
  return Array.from(jar, ([name, value]) => `${name}=${value}`).join('; ')
}

/** Takes the cookies of a response. */
export function takeCookies(jar: Jar, setCookies: readonly string[]): void {
  for (const setCookie of setCookies) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(setCookie) ?? []
    if (/; Max-Age=0/.test(setCookie)) jar.delete(name)
    else jar.set(name, value)
  }
}

/**
 * Sealed sessions as a store: a browser for each of them, and a request for each call. A request brings the cookies that
 * its browser had when it began, and the browser takes those of the response when it arrives.
 */
export function browserStore(store: CookieStore, browsers: Map<string, Jar>): SessionStore {
  async function request<T>(id: string, act: (sealed: SealedSession, token: Token) => Awaitable<T>): Promise<T> {
    const jar = browsers.get(id) ?? new Map()
    browsers.set(id, jar)
    const token = tokenOf(id)
    const sealed = store.session(form)
    sealed.open(cookieHeader(jar), 0)
    await nextTurn()
    const result = await act(sealed, token)
    takeCookies(jar, sealed.setCookies(token, undefined, false))
    return result
  }
  return {
    read: (id) => request(id, (sealed, token) => sealed.read(token.id)),
    create: (id, record) => request(id, (sealed, token) => sealed.create(token.id, record)),
    patch: (id, patch) => request(id, (sealed, token) => sealed.patch(token.id, patch)),
    delete: (id) => request(id, (sealed, token) => sealed.delete(token.id)),
  }
}

/** The ids of the engine have one shape, and those of the checks any. */
function tokenOf(id: string): Token {
  return { id: hash('sha256', id, 'base64url').slice(0, 24), secret: 's'.repeat(40) }
}
