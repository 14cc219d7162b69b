/**
 * What went wrong, as a stable literal to branch on:
 *
 * - `invalid_option`: an option is unknown, missing or wrong. Thrown while the app starts, or by the call that takes it.
 * - `invalid_value`: a session value, its name or a user id cannot be stored (a function, a cycle, a Map, NaN …).
 * - `reserved_name`: a value was assigned to a name that the session itself uses.
 * - `corrupt_value`: a stored value is not JSON text.
 * - `headers_sent`: a change that needs a cookie came after the response had begun.
 * - `session_ended`: the session was ended elsewhere, or given a new token, and cannot be read again.
 * - `session_limit`: the user has as many sessions as `maxPerUser` allows.
 * - `contention`: a compare-and-set lost too many races in a row, or waited too long for its turn; nothing was written. Or
 *   a request signed in a second user under `maxPerUser` while the first was being saved.
 * - `cookie_too_large`: name and value of a cookie exceed 4096 bytes (RFC 6265bis, section 5.6).
 * - `record_too_large`: a backend's bound on a record was exceeded.
 * - `store_unavailable`: the store failed or did not answer in time.
 * - `store_misconfigured`: the store's file or table is missing, foreign, read-only or newer than this version.
 * - `client_missing`: the database client that a store needs is not installed, or too old.
 * - `unauthenticated`: a route needs a signed-in user.
 * - `stale_authentication`: a route needs a more recent sign-in.
 * - `cross_origin`: a state-changing request came from another origin.
 * - `closed`: `sessions.close()` was called before.
 * - `unsupported`: the store cannot do what was asked.
 */
export type SojournErrorCode =
  | 'invalid_option'
  | 'invalid_value'
  | 'reserved_name'
  | 'corrupt_value'
  | 'headers_sent'
  | 'session_ended'
  | 'session_limit'
  | 'contention'
  | 'cookie_too_large'
  | 'record_too_large'
  | 'store_unavailable'
  | 'store_misconfigured'
  | 'client_missing'
  | 'unauthenticated'
  | 'stale_authentication'
  | 'cross_origin'
  | 'closed'
  | 'unsupported'

/** The HTTP status that a framework's own error path answers with, where it is not 500. */
const statusOf: { readonly [code in SojournErrorCode]?: number } = {
  store_unavailable: 503,
  contention: 503,
  closed: 503,
  unauthenticated: 401,
  stale_authentication: 401,
  cross_origin: 403,
  session_ended: 409,
  session_limit: 409,
}

/** Marks the errors of every copy of Sojourn in a process. */
const brand = Symbol.for('sojourn.error')

/**
 * The one error class of Sojourn. `code` says what went wrong, `message` names the option or value and the fix, `cause`
 * is the error underneath. Neither ever holds a token or a secret.
 */
export class SojournError extends Error {
  override readonly name = 'SojournError'
  /** What went wrong, to branch on. */
  readonly code: SojournErrorCode
  /** The HTTP status for it; Express, Koa and Fastify read it by one of these two names. */
  readonly status: number
  readonly statusCode: number
  /** Whether the message may be shown to the client; Koa reads it. */
  readonly expose: boolean
  /**
   * What the response must say beside the status, such as `WWW-Authenticate`; left out where there is nothing. Express,
   * Koa and Fastify send it by themselves. `onError` of `withSession` is to send it.
   */
  declare readonly headers?: Readonly<Record<string, string>>

  constructor(
    code: SojournErrorCode,
    message: string,
    options?: { cause?: unknown; headers?: Record<string, string> },
  ) {
    super(message, options)
    this.code = code
    this.status = this.statusCode = statusOf[code] ?? 500
    this.expose = this.status < 500
    if (options?.headers) this.headers = options.headers
  }

  /**
   * What Hono answers with.
   * @internal
   */
  getResponse(): Response {
    const { status, text } = publicError(this)
    return new Response(text, { status, headers: { ...this.headers, 'cache-control': 'no-store' } })
  }

  /** @internal */
  get [brand](): true {
    return true
  }
}

/** Whether an error is a `SojournError`, also one that another copy of the package made. */
export function isSojournError(error: unknown): error is SojournError {
  return typeof error === 'object' && error !== null && brand in error
}

/** What a client may learn of an error. */
export function publicError(error: unknown): { readonly status: number; readonly text: string } {
  const status = isSojournError(error) ? error.status : 500
  const text = isSojournError(error) && error.expose ? error.message : 'The server cannot answer at present'
  return { status, text }
}
