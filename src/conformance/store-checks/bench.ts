import assert from 'node:assert/strict'
import type { ListPage, SessionPatch, SessionRecord, SessionStore } from '../../core/store.js'

/** What a check has to work with: stores over records that no other check sees. */
export interface StoreBench {
  readonly store: SessionStore
  /** Another store over the same records, or the same one where records live in a process. */
  readonly peer: SessionStore
  /** Whether records can be reached from another store. */
  readonly shared: boolean
  /** Opens one more store over the same records. */
  reopen(): Promise<SessionStore>
  /** Closes one store now rather than after the check. */
  close(store: SessionStore): Promise<void>
  readonly maxValueBytes: number
}

export type StoreCheck = (bench: StoreBench) => Promise<void>

/** Far enough that no backend's own clock comes into play during a check. */
export const day = 24 * 60 * 60 * 1000

/** An id of the shape that the engine makes. */
export function idOf(name: string | number): string {
  return `check-${name}`.padEnd(24, '-')
}

/** A living record, frozen so that a store that changes what it is handed fails. */
export function recordOf(overrides: Partial<SessionRecord> = {}): SessionRecord {
  const now = Date.now()
  return deepFreeze({
    values: { kept: '"as it was"' },
    userId: null,
    createdAt: now,
    expiresAt: now + day,
    ...overrides,
  })
}

/** For a record that expired a while ago, of which a backend that expires by itself has four minutes left. */
export function expired() {
  const now = Date.now()
  return { createdAt: now - day, expiresAt: now - 60_000 }
}

/** A patch made now, frozen likewise. */
export function patchOf(change: Partial<SessionPatch>): SessionPatch {
  return deepFreeze({ now: Date.now(), ...change })
}

function deepFreeze<T extends object>(object: T): T {
  for (const inner of Object.values(object)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(object)
}

/** Creates a living record, and gives it back as it should read from now on. */
export async function created(
  store: SessionStore,
  id: string,
  overrides?: Partial<SessionRecord>,
): Promise<SessionRecord> {
  const record = recordOf(overrides)
  assert.equal(await store.create(id, record), true, `create of the new id ${id}`)
  return record
}

/** The record as it reads now, in the plainest form, so that two compare by content alone. */
export async function readBack(store: SessionStore, id: string): Promise<SessionRecord | null> {
  return plain(await store.read(id))
}

export function plain(record: SessionRecord | null): SessionRecord | null {
  if (record === null) return null
  const { values, userId, createdAt, expiresAt } = record
  return { values: { ...values }, userId, createdAt, expiresAt }
}

/** Asserts that a record reads as expected, which is as it was with a few differences. */
export async function assertReads(
  store: SessionStore,
  id: string,
  before: SessionRecord,
  differences: Partial<SessionRecord> = {},
  message = `what ${id} reads as`,
): Promise<void> {
  assert.deepEqual(await readBack(store, id), plain({ ...before, ...differences }), message)
}

/** All pages of a listing, each checked for its order and size. */
export async function listAll(store: SessionStore, page: ListPage): Promise<Map<string, SessionRecord>> {
  const found = new Map<string, SessionRecord>()
  let after = page.after
  for (;;) {
    const entries = await listPage(store, after === undefined ? page : { ...page, after })
    for (const [id, record] of entries) {
      assert.ok(after === undefined || id > after, `the id ${id} came after ${after}: not in ascending order`)
      found.set(id, record)
      after = id
    }
    if (entries.length < page.limit) return found
  }
}

export async function listPage(store: SessionStore, page: ListPage): Promise<[id: string, record: SessionRecord][]> {
  assert.ok(store.list, 'the store has no list')
  const entries = await store.list(deepFreeze({ ...page }))
  assert.ok(entries.length <= page.limit, `a page of ${entries.length} where at most ${page.limit} were asked for`)
  // Those of another realm, as from native code in Jest, equal no array written here.
  return [...entries]
}
