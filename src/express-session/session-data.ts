import type { Cookie } from './cookie.js'

/**
 * The values of a session. An app names its own:
 *
 * ```ts
 * declare module 'sojourn/express-session' {
 *   interface SessionData { views: number }
 * }
 * ```
 */
export interface SessionData {
  cookie: Cookie
}
