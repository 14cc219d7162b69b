import { isSojournError } from '../../core/errors.js'
import { holds, type PatchOutcome, type SessionPatch, type SessionRecord, type SessionStore } from '../../core/store.js'

/** Marks the place that is kept for a session on its way; the text says by whom. */
const placeName = '__moving'
/** Marks a record whose session is on its way or gone, and which nobody writes; the text is another one each time. */
const leftName = '__moved'

/** Stands in a record for a moment, to see whether it comes to both stores. */
const probeName = '__probe'

/** A text like no other. */
function newText(): string {
  return JSON.stringify(crypto.randomUUID())
}

/** What a store holds under an id: nothing, a place, what a moved session left, or a session that is at home there. */
export type State = 'absent' | 'place' | 'left' | 'home'

export function stateOf(record: SessionRecord | null | undefined): State {
  if (!record) return 'absent'
  if (Object.hasOwn(record.values, placeName)) return 'place'
  return Object.hasOwn(record.values, leftName) ? 'left' : 'home'
}

/** What came of a patch, or why it was not for this store. `raced`: the record changed before the reason was known. */
type Change = PatchOutcome | Exclude<State, 'home'> | 'raced'

/** Patches a session that is at home in the store. */
export async function change(store: SessionStore, id: string, patch: SessionPatch): Promise<Change> {
  const when = { ...patch.when, [placeName]: null, [leftName]: null }
  const outcome = await store.patch(id, { ...patch, when })
  if (outcome !== 'conflict') return outcome
  const record = await store.read(id)
  const state = stateOf(record)
  if (state === 'place' || state === 'left') return state
  return record && !holds(record.values, patch.when) ? 'conflict' : 'raced'
}

export function isSettled(change: Change | State | 'moved' | 'stays'): change is 'applied' | 'conflict' {
  return change === 'applied' || change === 'conflict'
}

/** Helps a session along that is on its way. */
export async function carry(id: string, source: SessionStore, target: SessionStore, now: number): Promise<void> {
  const seen = await source.read(id)
  if (!seen || stateOf(seen) === 'place') return
  const by = await placeFor(id, target, seen)
  if (by !== null) await copy(id, source, target, by, now)
}

/** Closes a record to writers. Whether there was one. */
export async function close(id: string, source: SessionStore, now: number): Promise<boolean> {
  const closing = { now, set: { [leftName]: newText() }, when: { [placeName]: null, [leftName]: null } }
  return (await source.patch(id, closing)) !== 'absent'
}

/** By what a store says that it cannot hold a record: it is too large, or has a character that the database lacks. */
const refusals = new Set<string>(['record_too_large', 'invalid_value'])

export function isRefusal(error: unknown): boolean {
  return isSojournError(error) && refusals.has(error.code)
}

/**
 * Copies a record that was closed to writers, and deletes it. Whether the other store can hold it; if not, the record is
 * opened again, by whoever meets that first.
 */
export async function copy(
  id: string,
  source: SessionStore,
  target: SessionStore,
  by: string,
  now: number,
): Promise<boolean> {
  const record = await source.read(id)
  if (!record || stateOf(record) !== 'left') return stateOf(record) !== 'home'
  const { [leftName]: mark = null, ...set } = record.values
  const { userId, expiresAt } = record
  const filled = { now, set, unset: [placeName], userId, expiresAt, when: { [placeName]: by } }
  try {
    if ((await target.patch(id, filled)) === 'applied') await source.delete(id)
    return true
  } catch (error) {
    if (!isRefusal(error)) throw error
    // It was refused to all who have this copy in hand. The mark is like no other, so that no later one is taken away.
    await source.patch(id, { now, unset: [leftName], when: { [leftName]: mark } })
    return false
  }
}

/**
 * Makes a place for a session, or finds the one that was made. Resolves to its text, which no other place will have: what
 * was meant for a place that is gone cannot fill the next one. `null`: somebody was a step ahead.
 */
export async function placeFor(id: string, target: SessionStore, seen: SessionRecord): Promise<string | null> {
  const text = newText()
  const { createdAt, expiresAt } = seen
  if (await target.create(id, { values: { [placeName]: text }, userId: null, createdAt, expiresAt })) return text
  const present = await target.read(id)
  const state = stateOf(present)
  if (!present || state === 'home') return null
  const mark = state === 'place' ? placeName : leftName
  const before = present.values[mark] as string
  // One that is swept earlier than the session expires would take away the session that was closed to be copied into it.
  if (state === 'place' && present.expiresAt >= expiresAt) return before
  // Also one that has expired, hence the `now` of zero. It is not deleted: that could come when somebody has filled it.
  const outcome = await target.patch(id, {
    now: 0,
    set: { [placeName]: text },
    unset: Object.keys(present.values).filter((name) => name !== placeName),
    userId: null,
    expiresAt,
    when: { [mark]: before },
  })
  return outcome === 'applied' ? text : null
}

/** Whether what one store keeps under an id is what the other one keeps. The record is one that is to be deleted. */
export async function keepSame(id: string, store: SessionStore, other: SessionStore): Promise<boolean> {
  const text = newText()
  await store.patch(id, { now: 0, set: { [probeName]: text } })
  return (await other.read(id))?.values[probeName] === text
}
