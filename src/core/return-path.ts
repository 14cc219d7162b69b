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

/** The address of a login page, with the path that its visitor wanted. */
export function withReturnPath(loginPath: string, wanted: string | undefined): string {
  const path = localPath(wanted, '')
  return path ? beforeReturnPath(loginPath) + encodeURIComponent(path) : loginPath
}

/** Whether an address is that of the login page, as `withReturnPath` makes it. */
export function hasReturnPath(loginPath: string, address: string | undefined): boolean {
  return address?.startsWith(beforeReturnPath(loginPath)) ?? false
}

function beforeReturnPath(loginPath: string): string {
  return `${loginPath}${loginPath.includes('?') ? '&' : '?'}${returnParameter}=`
}

/** Where a login page sends its visitor, read from the address of the request that it answers. */
export function returnPathOf(url: string | undefined, fallback = '/'): string {
  const query = url?.slice(url.indexOf('?') + 1) ?? ''
  return localPath(new URLSearchParams(query).get(returnParameter), fallback)
}
