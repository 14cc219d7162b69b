import { isSojournError, SojournError } from './errors.js'
import type { Events } from './events.js'
import { type Awaitable, isPromise, type SessionStore } from './store.js'

/** Does the next thing with a value: at once if it is there, else when it is. A synchronous store never waits a turn. */
export function after<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** Whether the store is down, or `store_misconfigured`: nothing of the visitor's is to blame. */
export function isOutage(error: unknown): error is SojournError {
  return isSojournError(error) && error.code.startsWith('store_')
}

/** What is asked of sessions after they were closed, or fails then. */
export function sessionsClosed(cause?: unknown): SojournError {
  return new SojournError('closed', 'These sessions were closed; make new ones with createSessions()', { cause })
}

/** A store as the engine calls it: a call that fails or takes too long throws `store_unavailable`. */
export type GuardedStore = Pick<SessionStore, 'read' | 'create' | 'patch' | 'delete'> &
  Required<Pick<SessionStore, 'list' | 'sweep'>>

/**
 * Bounds each call of a store by `timeLimit` milliseconds. A write that timed out may have happened and is not
 * repeated. An error that the store itself explains (`record_too_large`, `store_misconfigured` …) passes as it is.
 *
 * @param isClosed whether the store may be closed: what fails then is no outage
 */
export function guardStore(
  store: SessionStore,
  timeLimit: number,
  events: Pick<Events, 'emit'>,
  isClosed = () => false,
): GuardedStore {
  function failure(operation: string, cause: unknown): SojournError {
    const isExplained = isSojournError(cause) && cause.code !== 'store_unavailable'
    if (isClosed() && !isExplained) return sessionsClosed(cause)
    const error = isExplained
      ? cause
      : new SojournError('store_unavailable', `The session store failed to ${operation}`, { cause })
    if (isOutage(error)) events.emit('outage', { operation, error: cause })
    return error
  }

  function bounded<T>(operation: string, promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        clearTimeout(timer)
        reject(failure(operation, error))
      }
      // Where the process itself stood still, the answer may lie in a socket that is read before the second timer rings.
      let timer = setTimeout(() => {
        timer = setTimeout(fail, 0, new Error(`no answer within ${timeLimit} ms`))
      }, timeLimit)
      // Whatever has a `then` may throw there, or answer twice: a promise of it does neither.
      Promise.resolve(promise).then((value) => {
        clearTimeout(timer)
        resolve(value)
      }, fail)
    })
  }

  function guard<Name extends keyof GuardedStore>(operation: Name): GuardedStore[Name] {
    return ((...given: unknown[]) => {
      let answer: Awaitable<unknown>
      try {
        const method = store[operation] as ((...given: unknown[]) => Awaitable<unknown>) | undefined
        if (!method) {
          const lack = `This session store has no ${operation}(): its backend cannot promise it`
          throw new SojournError('unsupported', lack)
        }
        answer = method.apply(store, given)
      } catch (error) {
        throw failure(operation, error)
      }
      return isPromise(answer) ? bounded(operation, answer) : answer
    }) as GuardedStore[Name]
  }

  return {
    read: guard('read'),
    create: guard('create'),
    patch: guard('patch'),
    delete: guard('delete'),
    list: guard('list'),
    sweep: guard('sweep'),
  }
}
