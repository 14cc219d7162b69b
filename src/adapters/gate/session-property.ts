import { refuse } from '../../core/option-checks.js'
import { refuseAssignment, sessionOf } from '../../core/session-object.js'
import type { Visits } from '../../core/sessions.js'
import type { Exchange } from './exchange.js'

/** Where a request keeps its exchange: a map beside the requests would cost the collector as much as all else. */
const exchangeOf = Symbol.for('sojourn.exchange.1')

type Entered = object & { [exchangeOf]?: Exchange; readonly [standsOf]?: true; readonly session?: unknown }

/** Marks what all requests inherit from, where the `session` of this copy of Sojourn stands on it. */
const standsOf = Symbol('sojourn.stands')

/** The exchange of a request, or a context, that was given a session. */
export function exchangeOn(holder: object): Exchange | undefined {
  return (holder as Entered)[exchangeOf]
}

/**
 * Whether these very sessions were mounted on a request, or a context, before.
 *
 * @throws `invalid_option` where it has another session
 */
export function hasSession(holder: object, visits: Visits): boolean {
  const exchange = (holder as Entered)[exchangeOf]
  if (exchange?.visits === visits) {
    // An app of another copy of the framework, which was called and not mounted, has its requests inherit from elsewhere.
    if (!('session' in holder)) standAlone(holder)
    return true
  }
  if (!exchange && !Object.hasOwn(holder, 'session')) return false
  refuse('There is a session here already: mount session() once')
}

/**
 * Gives a request, or a context, its `session`.
 *
 * @param prototypeOf finds what all that the framework makes inherit from, and where it wants properties to be added, if
 * there is such a thing: to define one on each request costs as much as all else that is done for a visitor without one
 */
export function giveSession(
  holder: object,
  exchange: Exchange,
  prototypeOf: (holder: object) => object | null | undefined,
): void {
  const entered = holder as Entered
  // An app may have put another on all that it makes, also after its first request: such as `app.request.session`.
  const isHidden = entered.session !== undefined
  entered[exchangeOf] = exchange
  if (entered[standsOf] && !isHidden) return
  const prototype = prototypeOf(holder)
  if (prototype && !('session' in holder) && Reflect.defineProperty(prototype, 'session', sessionProperty)) {
    Object.defineProperty(prototype, standsOf, { value: true })
  } else standAlone(holder)
}

/** Has a request, or a context, `session` as a property of its own. */
function standAlone(holder: object): void {
  Object.defineProperty(holder, 'session', sessionProperty)
}

/** One for all requests: accessors of its own would make each request an object of another kind, slow to use for all. */
const sessionProperty: PropertyDescriptor & ThisType<Entered> = {
  configurable: true,
  enumerable: true,
  get() {
    const exchange = this[exchangeOf]
    return exchange && sessionOf(exchange.ask())
  },
  set(value: unknown) {
    if (this[exchangeOf]) refuseAssignment()
    // Somebody else's, on a route without ours.
    Object.defineProperty(this, 'session', { value, writable: true, enumerable: true, configurable: true })
  },
}
