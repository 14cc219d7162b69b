import type { AcceptedSessions } from '../core/accepted-sessions.js'
import { refuse, refuseOption, refuseUnknownOptions } from '../core/option-checks.js'
import { acceptedSessions, continuedToken, userIdIn } from '../core/take-over.js'
import { type ConnectStoreCalls, fromConnectStore } from './from-connect-store.js'
import { cookieName, sessionOf } from './record-texts.js'
import { findCookie, unsignCookie } from './request-cookie.js'
import type { SessionData } from './session-data.js'
import type { Secret } from './signature.js'

/** What `expressSessionCookie` takes: the options with which `express-session` made its cookies. */
export interface ExpressSessionCookieOptions {
  /** The cookie's name, as express-session was told. Default `connect.sid`. */
  name?: string
  /** What signed the cookie, as express-session was told. */
  secret: Secret | Secret[]
  /** Where the sessions are: the store that express-session was given. `toConnectStore(…)` is one too. */
  store: ConnectStoreCalls
  /**
   * Tells from a session who is signed in, as the app kept it: with passport,
   * `(session) => (session.passport as { user?: string } | undefined)?.user`. Nobody, for `null` or `undefined`; an error, for
   * what is no user id.
   */
  userId?(session: SessionData & { [name: string]: unknown }): string | number | bigint | null | undefined
}

/**
 * For the `accept` option of `createSessions`: a visitor who still carries the cookie of `express-session` goes on with the
 * same values, signed in as before, under a token of Sojourn. The old session is ended.
 *
 * The new token is derived from the old session id and the secret, so that parallel requests and lost responses come to
 * one session; whoever has the old cookie can go on with it until the next sign-in, as they could before. Drop the
 * option when the old cookies have expired.
 *
 * @throws `invalid_option` without a secret or a store, and for an option that is unknown or wrong
 */
export function expressSessionCookie(options: ExpressSessionCookieOptions): AcceptedSessions {
  refuseUnknownOptions('expressSessionCookie', options, ['name', 'secret', 'store', 'userId'])
  const { name = 'connect.sid', secret, store, userId = () => null } = options ?? ({} as ExpressSessionCookieOptions)
  const secrets = [secret].flat() as Secret[]
  if (secrets.length === 0 || secrets.some((one) => !one)) {
    refuse('secret of expressSessionCookie must be what signed the cookies until now')
  }
  if (typeof store?.get !== 'function' || typeof store.destroy !== 'function') {
    refuseOption('store of expressSessionCookie', 'that of express-session', store)
  }
  if (typeof name !== 'string') refuseOption('name of expressSessionCookie', 'that of the old cookie', name)
  if (typeof userId !== 'function') refuseOption('userId of expressSessionCookie', 'a function', userId)
  const old = fromConnectStore(store)
  return acceptedSessions({
    secrets,

    find(header) {
      const cookie = findCookie(header, name)
      for (const one of secrets) {
        const id = unsignCookie(cookie, [one])
        if (id) return { id, token: continuedToken(one as string, id) }
      }
      return null
    },

    async read(id) {
      const record = await old.read(id)
      if (!record) return null
      const session = sessionOf(record)
      const { [cookieName]: _, ...values } = record.values
      return {
        ...record,
        values,
        userId: userIdIn(userId, session as SessionData & { [name: string]: unknown }),
        remember: Boolean(session.cookie.expires),
      }
    },

    end: (id) => old.delete(id),
  })
}
