/**
 * Leaves a server that takes no writes any more. Where a name leads to the primary of the moment, a connection from before
 * a failover stays with the server that was demoted, which goes on to answer reads.
 *
 * @module
 */
import type { Awaitable, SessionStore } from '../../core/store.js'

/** At least this long between two new connections, in milliseconds: the name may not lead elsewhere yet. */
const pause = 1000

/** The store, which has its client connect anew when a server of Redis refuses a write as a replica does. */
export function leavingReplicas(store: SessionStore, renew: () => void): SessionStore {
  let renewedAt = Number.NEGATIVE_INFINITY
  const heeding =
    <Args extends unknown[], T>(write: (...args: Args) => Awaitable<T>) =>
    async (...args: Args): Promise<T> => {
      try {
        return await write(...args)
      } catch (error) {
        // Before Redis 7, what a script was refused stands behind other words.
        if (/\bREADONLY\b/.test((error as Error).message) && performance.now() - renewedAt > pause) {
          renewedAt = performance.now()
          renew()
        }
        throw error
      }
    }
  return { ...store, create: heeding(store.create), patch: heeding(store.patch), delete: heeding(store.delete) }
}
