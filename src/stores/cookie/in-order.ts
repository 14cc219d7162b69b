import { after, type GuardedStore } from '../../core/guarded-store.js'
import { refuseLateChange } from '../../core/late-change.js'
import { isOwnName } from '../../core/own-names.js'
import type { RequestFacts } from '../../core/request-facts.js'
import { type Awaitable, isPromise, type SessionPatch } from '../../core/store.js'

/** The changes of one session that travels in the cookies of a response. */
export function inOrder(store: GuardedStore, request: RequestFacts): GuardedStore {
  let last: Awaitable<unknown>
  /** Each change is of the whole that the one before has left. */
  function next<T>(change: () => Awaitable<T>): Awaitable<T> {
    const done = isPromise(last) ? last.then(change, change) : change()
    last = done
    return done
  }

  return {
    ...store,
    create: (id, record) => next(() => store.create(id, record)),
    delete: (id) => next(() => store.delete(id)),
    patch: (id, patch) =>
      next(() => {
        // Most changes are refused as they are made. That of an object in hand is seen only now.
        refuseLate(request, patch)
        return after(store.patch(id, patch), (outcome) => {
          refuseLate(request, patch)
          return outcome
        })
      }),
  }
}

function refuseLate(request: RequestFacts, patch: SessionPatch): void {
  if (request.headIsOut && changesValues(patch)) refuseLateChange('A change')
}

/** Whether a patch changes values of the app. */
export function changesValues({ set = {}, unset = [] }: SessionPatch): boolean {
  return [...Object.keys(set), ...unset].some((name) => !isOwnName(name))
}
