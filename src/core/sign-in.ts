import { SojournError } from './errors.js'
import { refuseOption, refuseUnknownOptions } from './option-checks.js'
import { noteIn } from './own-names.js'
import { show } from './show.js'
import type { SessionRecord } from './store.js'
import { isPortable } from './values.js'

/** How a user signed in. */
export interface SignInOptions {
  /**
   * Keep the cookie when the browser closes, and use `lifetime.remember`. Default `false`. Said at each sign-in: left out, a
   * remembered session is remembered no longer.
   */
  remember?: boolean
  /** How they proved who they are, such as `'password'` or `'passkey'`; told by the event `signedIn` and by `sessions.list`. */
  method?: string
}

/** What a record keeps of a sign-in, under `__signIn`. */
export interface SignIn {
  readonly at: number
  readonly method: string | null
  readonly remember: boolean
  /** The session came from another device or network since, and is to prove itself again. */
  readonly doubted?: boolean
}

export const signInName = '__signIn'

/** Index columns of common backends hold this many bytes. */
const maxUserIdBytes = 255

/** A user id as it is stored: text, or an integer as text. Throws `invalid_value` for anything else. */
export function userIdText(userId: unknown): string {
  const text = Number.isSafeInteger(userId) || typeof userId === 'bigint' ? String(userId) : userId
  if (isPortable(text, maxUserIdBytes)) return text
  const got = typeof userId === 'string' ? 'text that is empty, too long or malformed' : show(userId)
  throw new SojournError(
    'invalid_value',
    `A user id must be an integer, or text of 1 to ${maxUserIdBytes} bytes without control characters (a bigint beyond 2^53); got ${got}`,
  )
}

/** Checks {@link SignInOptions}, of which some come from a form. Throws `invalid_option`. */
export function signInOptionsOf(options: SignInOptions): { remember: boolean; method: string | null } {
  refuseUnknownOptions('session.signIn()', options, ['remember', 'method'])
  const { remember = false, method } = options
  if (typeof remember !== 'boolean') {
    refuseOption(
      'remember of session.signIn()',
      "true or false (from a form: remember: req.body.remember === 'on')",
      remember,
    )
  }
  if (method !== undefined && typeof method !== 'string') {
    refuseOption('method of session.signIn()', "text, such as 'password'", method)
  }
  return { remember, method: method ?? null }
}

/** Reads what a record keeps of its sign-in; `null` where there was none, or where what is kept cannot be read. */
export function signInOf(values: Readonly<Record<string, string>>): SignIn | null {
  const { at, method, remember, doubted } = noteIn(values, signInName)
  if (typeof at !== 'number') return null
  const isText = typeof method === 'string'
  return { at, method: isText ? method : null, remember: remember === true, doubted: doubted === true }
}

/** Whether nobody signed in between two readings of a session. That it is to prove itself again is no sign-in. */
export function isSameSignIn(before: SessionRecord, now: SessionRecord): boolean {
  return before.userId === now.userId && signInOf(before.values)?.at === signInOf(now.values)?.at
}
