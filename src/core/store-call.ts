import { isSojournError } from './errors.js'
import { type Awaitable, isPromise } from './store.js'
import type { Visit } from './visit.js'

const tooLargeCodes = ['record_too_large', 'cookie_too_large']

/** Calls the store. A failure is kept, but for a record that is too large: nothing was written, and it may shrink. */
export function callStore<T>(visit: Visit, storeCall: () => Awaitable<T>, whenTooLarge?: () => unknown): Awaitable<T> {
  const keep = (error: unknown): never => {
    if (whenTooLarge && isSojournError(error) && tooLargeCodes.includes(error.code)) whenTooLarge()
    else visit.failure = error
    throw error
  }
  try {
    const result = storeCall()
    return isPromise(result) ? result.then(undefined, keep) : result
  } catch (error) {
    return keep(error)
  }
}
