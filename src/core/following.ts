import type { Engine } from './engine.js'
import { longestTimer, refuse, refuseOtherThanFunction } from './option-checks.js'
import { readAgain } from './read-again.js'
import type { SessionStore } from './store.js'
import type { Visit } from './visit.js'
import { callListener } from './warning.js'

/** How often a session is looked at whose store cannot tell of endings in other processes. Milliseconds. */
const pollInterval = 5000

/** Tells long connections when their session ends. */
export interface Following {
  /**
   * Calls `ended` once when the session has ended, expired, or changed its user; until the returned function is called.
   * Throws `invalid_option` for what is no function, and for a sign-in whose session is not stored yet.
   */
  follow(visit: Visit, ended: () => void): () => void
  close(): Promise<void>
}

interface Follower {
  readonly visit: Visit
  readonly id: string
  readonly ended: () => void
  timer: ReturnType<typeof setTimeout> | undefined
}

/** Who is to hear of endings, by store: several sessions may share one, such as one for cookies and one for headers. */
const listeners = new WeakMap<SessionStore, Set<(id: string, userId?: string) => void>>()

/** What ends in this process is known at once; in another one as soon as the store tells, else at the next look. */
export function createFollowing({ settings, events }: Engine, store: SessionStore): Following {
  const followers = new Map<string, Set<Follower>>()
  let watching: Promise<(() => unknown) | null> | undefined
  let isWatching = false
  let isClosed = false
  const sharing = listeners.get(store) ?? new Set()
  listeners.set(store, sharing.add(endAll))
  const tellAll = (id: string, userId?: string) => {
    for (const tell of sharing) tell(id, userId)
  }
  events.on('ended', ({ id }) => tellAll(id))
  events.on('signedIn', ({ id, userId }) => tellAll(id, userId))

  /** A session has ended; or, with `userId`, only for those who follow it as another's. */
  function endAll(id: string, userId?: string): void {
    for (const follower of followers.get(id) ?? []) if (follower.visit.userId !== userId) end(follower)
  }

  function end(follower: Follower): void {
    if (forget(follower)) callListener('What sessions.follow() calls', follower.ended)
  }

  function forget(follower: Follower): boolean | undefined {
    clearTimeout(follower.timer)
    const ofId = followers.get(follower.id)
    const known = ofId?.delete(follower)
    if (ofId?.size === 0) followers.delete(follower.id)
    return known
  }

  async function look(follower: Follower): Promise<void> {
    try {
      const { visit } = follower
      // Of the visit's own store: a session that travels in a cookie is nowhere else. A sign-in may not be written yet.
      await readAgain(visit, (record) => {
        const now = settings.clock()
        if (!record || record.expiresAt <= now || record.userId !== visit.held?.record.userId) end(follower)
        else schedule(follower, record.expiresAt - now)
      })
    } catch {
      // The outage was reported. A connection is not closed for it, and looked at again.
      schedule(follower, pollInterval)
    }
  }

  function schedule(follower: Follower, untilExpiry: number): void {
    if (!followers.get(follower.id)?.has(follower)) return
    // No store tells that a guest has signed in, whose session goes on.
    const isTold = isWatching && follower.visit.userId !== null
    const wait = Math.min(isTold ? longestTimer : pollInterval, Math.max(untilExpiry, 1))
    clearTimeout(follower.timer)
    follower.timer = setTimeout(look, wait, follower)
    follower.timer.unref?.()
  }

  function withAll(act: (follower: Follower) => unknown): void {
    for (const ofId of followers.values()) for (const follower of ofId) act(follower)
  }

  function startWatching(): void {
    watching ??= (async () => {
      try {
        await null // So that what throws at once is caught after `watching` was set.
        const stop = await store.watch?.((id) => (id === null ? withAll(look) : endAll(id)))
        if (!stop) return null
        isWatching = true
        // Some endings may have been missed, as when it tells of `null`.
        withAll(look)
        return stop
      } catch {
        watching = undefined // Tried again with the next connection; polled until then.
        return null
      }
    })()
  }

  return {
    follow(visit, ended) {
      refuseOtherThanFunction('What sessions.follow() calls', ended)
      const { held } = visit
      if (!held && visit.userId !== null) refuse('Await session.save() before sessions.follow()')
      // A socket may be opened while the server closes: nobody would stop what was begun for it.
      if (!held || isClosed) return () => {}
      const follower: Follower = { visit, id: held.id, ended, timer: undefined }
      const ofId = followers.get(held.id) ?? new Set()
      followers.set(held.id, ofId.add(follower))
      startWatching()
      schedule(follower, held.record.expiresAt - settings.clock())
      // It may have ended since it was read, before anybody listened.
      void look(follower)
      return () => forget(follower)
    },

    async close() {
      isClosed = true
      withAll(forget)
      sharing.delete(endAll)
      const stopped = watching?.then((stop) => stop?.()).catch(() => {})
      // What is still beginning to watch, on a server that may not answer, is stopped when it has begun.
      if (isWatching) await stopped
    },
  }
}
