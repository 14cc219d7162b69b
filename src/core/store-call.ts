import { isSojournError } from './errors.js'
import { type Awaitable, isPromise } from './store.js'
import type { Visit } from './visit.js'

/**
 * Calls the store, and goes on with its answer. A failure is kept, for the response to fail with it, unless the write may be
 * made again: that of a record that is too large, which may shrink; and on a connection that goes on with its head out, where no
 * response is left to fail.
 *
 * @param resume of a write that may be made again: takes up once more what was intended
 */
export function callStore<T, U>(
  visit: Visit,
  storeCall: () => Awaitable<T>,
  next: (answer: T) => Awaitable<U>,
  resume?: () => unknown,
): Awaitable<U> {
  const keep = (error: unknown): never => {
    const isTooLarge = isSojournError(error) && error.code.endsWith('_too_large')
    if (resume && (isTooLarge || visit.request.headIsOut)) resume()
    else visit.fail(error)
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
