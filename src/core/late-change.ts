import { SojournError } from './errors.js'

/** Throws `headers_sent` for a change that needs a cookie, and came when none can be sent any more. */
export function refuseLateChange(change: string): never {
  throw new SojournError(
    'headers_sent',
    `${change} came after the response had begun, too late for its cookie. Make it before the first byte`,
  )
}
