/**
 * What the verbs of a session return: promises that know whether anybody looks at how they end. For a failed write that
 * nobody looked at fails the response, and one that was met by the handler is answered by it.
 *
 * @module
 */

import { refuseOtherThanFunction } from './option-checks.js'
import type { Callback } from './session.js'
import { reasonOf, warn } from './warning.js'

/** It tells when somebody looks at how it ends; a rejection that nobody looks at ends no process. */
export class Watched<T> extends Promise<T> {
  static override get [Symbol.species]() {
    return Promise
  }
  readonly #lookedAt: () => void
  constructor(work: Promise<T>, lookedAt: () => void) {
    super((resolve) => resolve(work))
    this.#lookedAt = lookedAt
    super.then(undefined, () => undefined)
  }
  // biome-ignore lint/suspicious/noThenProperty: this is a promise
  override then<A, B>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#lookedAt()
    return super.then(fulfilled, rejected)
  }
}

/** The response does not fail with what a verb does by itself: where nobody waits for that, a warning tells that it failed. */
export function heard<T>(verb: string, work: Promise<T>, lookedAt: () => void, isHeard = false): Promise<T> {
  const tell = (error: unknown) => {
    if (!isHeard) warn(`session.${verb}() failed, and nobody waits for it: ${reasonOf(error)}`)
  }
  // Later, for `await` looks at a promise only when all that is due now is done.
  work.then(undefined, (error: unknown) => setTimeout(tell, 0, error))
  return new Watched(work, () => {
    isHeard = true
    lookedAt()
  })
}

/**
 * Answers a promise to a Node callback as well. A rejection that nobody looks at does not end the process: the response
 * is about to fail with the same error.
 */
export function callBack<T>(promise: Promise<T>, callback: Callback | undefined): Promise<T> {
  // Called in a microtask, it would end the process.
  if (callback) refuseOtherThanFunction('The callback', callback)
  promise.then(
    () => callback && queueMicrotask(() => callback()),
    (error: Error) => callback && queueMicrotask(() => callback(error)),
  )
  return promise
}
