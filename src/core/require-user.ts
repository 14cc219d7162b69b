import { SojournError, type SojournErrorCode } from './errors.js'
import { type Duration, milliseconds } from './lifetime.js'
import { refuse, refuseOption, refuseRequest, refuseUnknownOptions } from './option-checks.js'
import { localPath, withReturnPath } from './return-path.js'
import type { Session } from './session.js'
import { visitBehind } from './session-object.js'
import { challenge } from './transport.js'

/** What becomes of a visitor who is not signed in. */
export interface RequireUserOptions {
  /**
   * The path of the login page, which must not be behind the same guard. It is given the path that the visitor wanted as
   * `?returnTo=`; read it there with `returnPath`. Without it, and for requests that no person waits for (not a GET, made
   * by a browser's script, or of a client whose token travels in a header), the answer is an error with the status 401:
   * `unauthenticated`, or `stale_authentication` for a sign-in that is too old. A script is known by `Sec-Fetch-Site`,
   * which browsers send over TLS and on localhost; whoever does not send it is redirected, so guard an API without this.
   */
  redirect?: string
}

/** How recently a visitor must have signed in. */
export interface RequireFreshOptions extends RequireUserOptions {
  /** Such as `'10m'`; a number is milliseconds. */
  within: Duration
}

/** What is asked of a visitor before a route lets them in; a returned code says what is missing. */
type Requirement = (session: Session) => keyof typeof sentences | null

/**
 * Lets a visitor in, or turns them away: the address of the login page for one who is not let in; `null` for one who is.
 *
 * @throws the code of what is missing, as an error, where a redirect would not help; `invalid_option` where there is no
 * session, and where the login page is behind the guard that leads to it
 */
export type Guard = (request: Admission) => string | null

/** For signed-in users. Throws `invalid_option`, also where `requireUser` was mounted without being called. */
export function signedInUser(options?: RequireUserOptions): Guard {
  return guard(redirectOf(options, ['redirect']), ({ userId }) => (userId === null ? 'unauthenticated' : null))
}

function redirectOf(options: RequireUserOptions | undefined, names: readonly string[]): string | undefined {
  refuseRequest(options)
  refuseUnknownOptions('a guard such as requireUser()', options, names)
  const redirect = options?.redirect
  // What follows "#" would take the way back with it, and stays in the browser.
  if (redirect !== undefined && localPath(redirect, '#').includes('#')) {
    refuseOption('redirect', 'the path of the login page', redirect)
  }
  return redirect
}

/** For users who signed in a short while ago. Throws `invalid_option` for another `within` than a length of time. */
export function freshUser(options: RequireFreshOptions): Guard {
  const redirect = redirectOf(options, ['within', 'redirect'])
  const age = milliseconds(options?.within, 'within')
  return guard(redirect, (session) => {
    if (session.userId === null) return 'unauthenticated'
    const { authenticatedAt } = session
    const now = visitBehind(session).engine.settings.clock()
    return authenticatedAt !== null && now - authenticatedAt < age ? null : 'stale_authentication'
  })
}

/** What an adapter tells of a request that wants to be let in. */
export interface Admission {
  readonly session: Session | undefined
  readonly method?: string | undefined
  /** Path and query that the visitor wants. */
  readonly url?: string | undefined
  /** Sets a header of the response, where an error handler of the app may write the rest. */
  setHeader?(name: string, value: string): unknown
}

const sentences = {
  unauthenticated: 'This needs a signed-in user',
  stale_authentication: 'This needs a recent sign-in',
} satisfies { readonly [code in SojournErrorCode]?: string }

function guard(redirect: string | undefined, requirement: Requirement): Guard {
  return ({ session, method = '', url, setHeader }) => {
    // Of another library's session nothing is known: that it has no user `null` must let nobody in.
    if (typeof session?.signIn !== 'function') {
      refuse('There is no session of Sojourn here: mount session() before')
    }
    const code = requirement(session)
    if (code === null) return null
    const { engine, request } = visitBehind(session)
    const { transport } = engine.settings
    // Browsers tell both. The mode alone comes from Node's own `fetch`, which tells it of each request.
    const isScript = request.header('sec-fetch-site') && request.header('sec-fetch-mode') !== 'navigate'
    // A client that keeps no cookies is no browser, in which somebody could sign in.
    if (redirect && !isScript && !transport && /^(GET|HEAD)$/.test(method)) return withReturnPath(redirect, url)
    const asked = challenge(transport, code)
    if (asked) setHeader?.('WWW-Authenticate', asked)
    throw new SojournError(code, sentences[code], asked ? { headers: { 'WWW-Authenticate': asked } } : {})
  }
}
