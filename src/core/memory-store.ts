import { expiryQueue, type Queued } from './memory-store/expiry-queue.js'
import { type Linked, userIndex } from './memory-store/user-index.js'
import { refuseUnknownOptions, wholeNumber } from './option-checks.js'
import { changedValues, holds, type ListPage, type SessionRecord, type SessionStore } from './store.js'

/** What `memoryStore` takes. */
export interface MemoryStoreOptions {
  /**
   * How many sessions to hold. A new one beyond that evicts the one that expires soonest. 100,000 unless said, which is
   * about 50 MB where each has 190 bytes of values.
   */
  maxSessions?: number
}

/** What a store says of itself that is lost with its process; for the doctor. */
export interface InMemory {
  readonly inMemory: true
}

/** A record at rest. Its `values` are never changed, only replaced. */
interface Entry extends SessionRecord, Queued, Linked {}

/**
 * Keeps sessions in this process: for tests, for trying things out, and for one process whose visitors may be logged out
 * by a restart. Not for several processes, which would each have sessions of their own.
 *
 * Memory is bounded, nothing runs on a timer, and every method answers at once rather than with a promise.
 */
export function memoryStore(options: MemoryStoreOptions = {}): SessionStore {
  const maxSessions = checked(options)
  const entries = new Map<string, Entry>()
  const users = userIndex()
  const queue = expiryQueue<Entry>()

  function remove(entry: Entry): void {
    entries.delete(entry.id)
    users.remove(entry)
    queue.remove(entry)
  }

  const store: SessionStore & InMemory = {
    inMemory: true,

    read(id) {
      const entry = entries.get(id)
      return entry ? recordOf(entry) : null
    },

    create(id, { values, userId, createdAt, expiresAt }) {
      if (entries.has(id)) return false
      const soonest = queue.first()
      if (soonest && entries.size >= maxSessions) remove(soonest)
      const entry: Entry = {
        id,
        values: { ...values },
        userId,
        createdAt,
        expiresAt,
        position: 0,
        next: undefined,
        previous: undefined,
      }
      entries.set(id, entry)
      users.add(entry)
      queue.add(entry)
      return true
    },

    patch(id, { now, set, unset, userId, expiresAt, when }) {
      const entry = entries.get(id)
      if (!entry || entry.expiresAt <= now) return 'absent'
      if (when && !holds(entry.values, when)) return 'conflict'
      if (set || unset?.length) entry.values = changedValues(entry.values, set, unset)
      if (userId !== undefined && userId !== entry.userId) {
        users.remove(entry)
        entry.userId = userId
        users.add(entry)
      }
      if (expiresAt !== undefined) {
        entry.expiresAt = expiresAt
        queue.move(entry)
      }
      return 'applied'
    },

    delete(id) {
      const entry = entries.get(id)
      if (entry) remove(entry)
      return entry !== undefined
    },

    list({ userId, ...page }) {
      const ids = userId === undefined ? entries.keys() : users.idsOf(userId)
      return firstIds(ids, page).map((id) => [id, recordOf(entries.get(id) as Entry)])
    },

    sweep(before, limit) {
      let swept = 0
      for (let entry = queue.first(); entry && entry.expiresAt <= before && swept < limit; entry = queue.first()) {
        remove(entry)
        swept++
      }
      return swept
    },
  }
  return store
}

function checked(options: MemoryStoreOptions): number {
  refuseUnknownOptions('memoryStore', options, ['maxSessions'])
  const { maxSessions = 100_000 } = options
  return wholeNumber(maxSessions, 'memoryStore: "maxSessions"')
}

/** A copy for the caller. Spread makes own properties of all names, `__proto__` among them. */
function recordOf({ values, userId, createdAt, expiresAt }: Entry): SessionRecord {
  return { values: { ...values }, userId, createdAt, expiresAt }
}

/** The first ids after one, in ascending order, without sorting all. Ids are ASCII: code units stand in byte order. */
function firstIds(ids: Iterable<string>, { after = '', limit }: ListPage): string[] {
  let first: string[] = []
  let last: string | undefined
  for (const id of ids) {
    if (id <= after || (last !== undefined && id > last)) continue
    first.push(id)
    if (first.length <= 2 * limit) continue
    first = first.sort().slice(0, limit)
    last = first.at(-1)
  }
  return first.sort().slice(0, limit)
}
