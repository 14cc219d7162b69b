import type { Engine } from './engine.js'
import { longestTimer, refuseOtherThanFunction } from './option-checks.js'
import type { SessionStore } from './store.js'
import type { Visit } from './visit.js'
import { callListener } from './warning.js'

/** How often a session is looked at whose store cannot tell of endings in other processes. Milliseconds. */
const pollInterval = 5000

/** Tells long connections when their session ends. */
export interface Following {
  /** Calls `ended` once when the session has ended, expired, or changed its user; until the returned function is called. */
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
    if (forget(follower)) callListener('A function given to sessions.follow()', follower.ended)
  }

  function forget(follower: Follower): boolean {
    clearTimeout(follower.timer)
    const ofId = followers.get(follower.id)
    const known = ofId?.delete(follower) === true
    if (ofId?.size === 0) followers.delete(follower.id)
    return known
  }

  async function look(follower: Follower): Promise<void> {
    try {
      // Of the visit's own store: a session that travels in a cookie is nowhere else.
      const record = await follower.visit.engine.store.read(follower.id)
      const now = settings.clock()
      if (!record || record.expiresAt <= now || record.userId !== follower.visit.userId) end(follower)
      else schedule(follower, record.expiresAt - now)
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
    follower.timer = setTimeout(() => void look(follower), wait)
    follower.timer.unref?.()
  }

  /** Some endings may have been missed: look at every session that is followed. */
  function lookAtAll(): void {
    for (const ofId of followers.values()) for (const follower of ofId) void look(follower)
  }

  function startWatching(): void {
    watching ??= (async () => {
      try {
        await null // So that what throws at once is caught after `watching` was set.
        const stop = await store.watch?.((id) => (id === null ? lookAtAll() : endAll(id)))
        if (!stop) return null
        isWatching = true
        lookAtAll()
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
      // A socket may be opened while the server closes: nobody would stop what was begun for it.
      if (!held || isClosed) return () => {}
      const follower: Follower = { visit, id: held.id, ended, timer: undefined }
      const ofId = followers.get(held.id) ?? new Set()
      followers.set(held.id, ofId.add(follower))
      if (store.watch) startWatching()
      schedule(follower, held.record.expiresAt - settings.clock())
      // It may have ended since it was read, before anybody listened.
      if (isWatching) void look(follower)
      return () => void forget(follower)
    },

    async close() {
      isClosed = true
      for (const ofId of followers.values()) for (const { timer } of ofId) clearTimeout(timer)
      followers.clear()
      sharing.delete(endAll)
      const stopped = watching?.then((stop) => stop?.())
      // What is still beginning to watch, on a server that may not answer, is stopped when it has begun.
      if (isWatching) await stopped
      else stopped?.catch(() => {})
    },
  }
}
