import { SojournError } from '../../core/errors.js'
import { sessionOf } from '../../core/session-object.js'
import type { Visits } from '../../core/sessions.js'
import type { Visit } from '../../core/visit.js'
import type { Exchange } from './exchange.js'

/** Where a request keeps its exchange: a map beside the requests would cost the collector as much as all else. */
const exchangeOf = Symbol('sojourn.exchange')

type Entered = object & { [exchangeOf]?: Exchange }

/**
 * Whether these very sessions were mounted on a request, or a context, before.
 *
 * @throws `invalid_option` where it has another session
 */
export function hasSession(holder: object, visits: Visits): boolean {
  if (!Object.hasOwn(holder, 'session')) return false
  if ((holder as Entered)[exchangeOf]?.visits === visits) return true
  throw new SojournError('invalid_option', 'There is a session here already: use one session middleware for a request')
}

/** Gives a request, or a context, its `session`. */
export function giveSession(holder: object, exchange: Exchange): void {
  ;(holder as Entered)[exchangeOf] = exchange
  Object.defineProperty(holder, 'session', sessionProperty)
}

/** One for all requests: accessors of its own would make each request an object of another kind, slow to use for all. */
const sessionProperty: PropertyDescriptor & ThisType<Entered> = {
  configurable: true,
  enumerable: true,
  get() {
    return sessionOf(this[exchangeOf]?.visit as Visit)
  },
  set: refuseAssignment,
}

/** What happens when a handler assigns its session. */
export function refuseAssignment(): never {
  throw new SojournError(
    'reserved_name',
    'The session cannot be assigned: call session.destroy() to end it, or assign its properties',
  )
}
