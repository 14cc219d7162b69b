/**
 * The contract between the engine and a backend. A store moves records in and out; it has no clock, no codec, no cookie.
 *
 * A worked example, complete and correct, of a store over one `Map`. It is compiled by the tests and passes the
 * conformance checks of `sojourn/conformance/store`:
 *
 * ```ts
 * import type { SessionRecord, SessionStore } from 'sojourn'
 *
 * export function mapStore(): SessionStore {
 *   const records = new Map<string, SessionRecord>()
 *   const copy = (record: SessionRecord) => ({ ...record, values: { ...record.values } })
 *   return {
 *     read(id) {
 *       const record = records.get(id)
 *       return record ? copy(record) : null
 *     },
 *     create(id, record) {
 *       if (records.has(id)) return false
 *       records.set(id, copy(record))
 *       return true
 *     },
 *     patch(id, { now, set = {}, unset = [], userId, expiresAt, when = {} }) {
 *       const record = records.get(id)
 *       if (!record || record.expiresAt <= now) return 'absent'
 *       const current = new Map(Object.entries(record.values))
 *       for (const [name, text] of Object.entries(when)) {
 *         if ((current.get(name) ?? null) !== text) return 'conflict'
 *       }
 *       for (const [name, text] of Object.entries(set)) current.set(name, text)
 *       for (const name of unset) current.delete(name)
 *       record.values = Object.fromEntries(current)
 *       if (userId !== undefined) record.userId = userId
 *       if (expiresAt !== undefined) record.expiresAt = expiresAt
 *       return 'applied'
 *     },
 *     delete(id) {
 *       return records.delete(id)
 *     },
 *   }
 * }
 * ```
 *
 * Over a network, `patch` must be one atomic step on the server: never read, change and write back from here. Two
 * requests that do so at once lose one of their changes, and a write that arrives after a logout revives the session.
 *
 * @module
 */

/** A value, or a promise of it. What has no `then` is used at once, so a synchronous store never waits a turn. */
export type Awaitable<T> = T | PromiseLike<T>

/** One session at rest. */
export interface SessionRecord {
  /**
   * JSON text by name, in no particular order. A store never looks inside. Names are well-formed, non-empty, at most 128
   * bytes of UTF-8 and without control characters; they compare byte for byte, and `constructor` and `__proto__` are
   * names like any other. Those that begin with `__` belong to the engine.
   *
   * Every name is an own property; the prototype may be anything. Spread, `JSON.parse`, `Object.entries` and
   * `Object.fromEntries` keep to that. `values[name] = text` does not: it loses `__proto__`.
   */
  values: Record<string, string>
  /**
   * Whose session, `null` before sign-in. Well-formed, non-empty, at most 255 bytes of UTF-8 and without control
   * characters. Compared byte for byte: `Ann`, `ann` and `ann ` are three users.
   */
  userId: string | null
  /** Whole milliseconds since the epoch. Never changes. */
  createdAt: number
  /** Whole milliseconds since the epoch. The engine refuses the session from then on. */
  expiresAt: number
}

/** A change to one session. What it does not name stays as it is; an empty one is applied to any living session. */
export interface SessionPatch {
  /**
   * Whole milliseconds since the epoch. A record whose `expiresAt` is not later counts as absent. This is the only
   * clock that a patch goes by: a backend that expires records by itself does so five minutes late, so that clocks that
   * differ a little end no session.
   */
  now: number
  /** Values to write, JSON text by name; each replaces the whole value, nothing is merged. */
  set?: Record<string, string>
  /** Names to remove, whether they are there or not. No name is in both `set` and `unset`. */
  unset?: string[]
  /** The new owner; `null` for none. */
  userId?: string | null
  /** The new expiry, in milliseconds since the epoch; earlier or later than the present one. */
  expiresAt?: number
  /** Apply only while each of these values reads exactly so; `null` stands for absent. */
  when?: Record<string, string | null>
}

/**
 * What became of a patch: it was applied, there is no living session of that id, or there is one and `when` did not
 * hold. Only `applied` changed anything.
 */
export type PatchOutcome = 'applied' | 'absent' | 'conflict'

/** Which sessions to list, by whom and from where on. */
export interface ListPage {
  /** Only sessions of this user; without it, all of the store's. */
  userId?: string
  /** The last id of the page before. The session may be gone by now. */
  after?: string
  /** At most this many. Fewer means that there are no more. */
  limit: number
}

/**
 * A backend for sessions. A method throws, or rejects, only when the backend failed or when it cannot hold what it is
 * given; absence and refusal are return values.
 *
 * Ids are 1 to 128 of the characters `A-Z a-z 0-9 - _` and compare byte for byte. What a store is handed it neither keeps
 * nor changes; what it returns belongs to the caller. Text that is not well-formed (it has a lone surrogate) is refused
 * or kept exactly: UTF-8 cannot carry it, and a client that quietly replaces it would make one user of two.
 */
export interface SessionStore {
  /** The record, or `null`. It may be past its expiry; the engine decides. */
  read(id: string): Awaitable<SessionRecord | null>
  /** Writes a new record, of which nobody reads half. `false`: the id is taken, and nothing changed. Never overwrites. */
  create(id: string, record: SessionRecord): Awaitable<boolean>
  /** Changes a living record in one atomic step. Never creates. Moving only the expiry does not rewrite the values. */
  patch(id: string, patch: SessionPatch): Awaitable<PatchOutcome>
  /** Removes a record. Resolves to whether there was one. */
  delete(id: string): Awaitable<boolean>
  /**
   * A page of sessions in ascending order of id, byte for byte. May contain expired records, never misses one that
   * lived throughout the listing. Absent where the backend cannot promise that.
   */
  list?(page: ListPage): Awaitable<[id: string, record: SessionRecord][]>
  /**
   * Removes at most `limit` records whose `expiresAt` is not later than `before`, and resolves to how many went.
   * Present only where the backend does not expire by itself.
   */
  sweep?(before: number, limit: number): Awaitable<number>
  /**
   * Calls `ended` with the id of each session that another process deleted, and with `null` when the connection was
   * lost for a while, so that some may have been missed. Resolves, once it is listening, to a function that stops it.
   */
  watch?(ended: (id: string | null) => void): Awaitable<() => Awaitable<void>>
  /** Closes what the store itself opened, and only that. */
  close?(): Awaitable<void>
}

/** Whether a value is a promise, told by its `then`. */
export function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Whether what a store returned can be a record; rows may have been written by others. */
export function isRecord(record: SessionRecord): boolean {
  return (
    typeof record.values === 'object' &&
    record.values !== null &&
    (record.userId === null || typeof record.userId === 'string') &&
    Number.isFinite(record.createdAt) &&
    Number.isFinite(record.expiresAt)
  )
}

/** The text of one value; `null` where there is none, whatever it is called. */
export function textOf(values: Readonly<SessionRecord['values']>, name: string): string | null {
  return Object.hasOwn(values, name) ? (values[name] as string) : null
}

/** Whether values read as `when` says. */
export function holds(values: SessionRecord['values'], when: SessionPatch['when'] = {}): boolean {
  return Object.entries(when).every(([name, text]) => textOf(values, name) === text)
}

/** Values after a change. `delete` would leave an object that is slower to read and takes more memory. */
export function changedValues(
  values: Readonly<SessionRecord['values']>,
  set?: SessionPatch['set'],
  unset?: readonly string[],
): SessionRecord['values'] {
  const merged = { ...values, ...set }
  if (!unset?.length) return merged
  return Object.fromEntries(Object.entries(merged).filter(([name]) => !unset.includes(name)))
}

/** A record after a patch. */
export function patched(record: SessionRecord, { set, unset, userId, expiresAt }: SessionPatch): SessionRecord {
  return {
    values: changedValues(record.values, set, unset),
    userId: userId === undefined ? record.userId : userId,
    createdAt: record.createdAt,
    expiresAt: expiresAt ?? record.expiresAt,
  }
}
