import { isSojournError } from './errors.js'
import { type Awaitable, isPromise } from './store.js'
import type { Visit } from './visit.js'

const tooLargeCodes = ['record_too_large', 'cookie_too_large']

/**
 * Calls the store, and goes on with its answer. A failure is kept, but for a record that is too large: nothing was written,
 * and it may shrink.
 */
export function callStore<T, U>(
  visit: Visit,
  storeCall: () => Awaitable<T>,
  next: (answer: T) => Awaitable<U>,
  whenTooLarge?: () => unknown,
): Awaitable<U> {
  const keep = (error: unknown): never => {
    if (whenTooLarge && isSojournError(error) && tooLargeCodes.includes(error.code)) whenTooLarge()
    else visit.failure = error
    throw error
  }
  let answer: Awaitable<T>
  try {
    answer = storeCall()
  } catch (error) {
    return keep(error)
  }
  return isPromise(answer) ? answer.then(next, keep) : next(answer)
}
