import { refuseOption } from './option-checks.js'

/** The query parameter in which a login page is told where the visitor wanted to go. */
const returnParameter = 'returnTo'

/** Nothing of this site: only its path and query count. */
const anySite = 'http://site.invalid'

/**
 * A path on this site, made of text that a client had a hand in; `fallback` for what would lead elsewhere (`//other`,
 * `/\other`, `/..//other`), read as a browser reads it, so that a login page is no open redirect. (CWE-601)
 */
export function localPath(text: unknown, fallback = '/'): string {
  if (typeof text !== 'string' || !text.startsWith('/')) return fallback
  try {
    const url = new URL(text, anySite)
    return url.origin === anySite && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : fallback
  } catch {
    return fallback
  }
}

/**
 * The address of a login page, with the path that its visitor wanted. Throws `invalid_option` where that is such an address
 * already: the page is behind its own guard, and the browser would be sent round in circles.
 */
export function withReturnPath(loginPath: string, wanted = ''): string {
  // As a browser asks for it, which a header can carry.
  const page = localPath(loginPath, loginPath)
  const start = `${page + (page.includes('?') ? '&' : '?') + returnParameter}=`
  if (wanted.startsWith(start)) refuseOption('redirect', 'a page before this guard', loginPath)
  const path = localPath(wanted, '')
  return path ? start + encodeURIComponent(path) : page
}

/** Where a login page sends its visitor, read from the address of the request that it answers. */
export function returnPathOf(url: string | undefined, fallback = '/'): string {
  const query = url?.slice(url.indexOf('?') + 1)
  return localPath(new URLSearchParams(query).get(returnParameter), fallback)
}
