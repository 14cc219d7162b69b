import { setTimeout as delay } from 'node:timers/promises'
import { commit } from './commit.js'
import { isSojournError, SojournError } from './errors.js'
import { readAgain, sessionEnded } from './read-again.js'
import { addUse } from './session-patch.js'
import { show } from './show.js'
import { patched, type SessionPatch, textOf } from './store.js'
import { decode, encode, type Known, type Values } from './values.js'
import type { Held, Visit } from './visit.js'

const maxAttempts = 100

/** Changes one value by compare and set. */
export async function changeValue(visit: Visit, name: string, change: (value: unknown) => unknown): Promise<unknown> {
  visit.intend('session.update()', visit.lacksCookie)
  const { values } = visit
  const known = values.known(name)
  await committed(visit)
  if (visit.lost) throw ended(visit, visit.values, visit.lost)
  if (!visit.held) {
    // Meanwhile a caller who does not wait may have ended the session, or answered: then nobody could present a new one.
    if (values !== visit.values) throw ended(visit, values)
    visit.intend('session.update()', true)
    const value = change(visit.values.get(name))
    encode(name, value) // What cannot be stored is refused before it is in the session.
    if (value === undefined) visit.values.delete(name)
    else visit.values.set(name, value)
    await commit(visit)
    return value
  }
  return compareAndSet(visit, name, known, visit.held, (before) => {
    const value = change(before === null ? undefined : decode(name, before))
    return { value, text: encode(name, value) ?? null }
  })
}

/** Removes one value and resolves to it; of several that ask, one gets it. */
export async function takeValue(visit: Visit, name: string): Promise<unknown> {
  visit.intend('session.take()')
  const known = visit.values.known(name)
  await committed(visit)
  if (visit.lost) return undefined
  if (!visit.held) {
    const value = visit.values.get(name)
    visit.values.delete(name)
    return value
  }
  const taken = compareAndSet(visit, name, known, visit.held, (before) => ({
    value: before === null ? undefined : decode(name, before),
    text: null,
  }))
  return taken.catch((error: unknown) => {
    if (isSojournError(error) && error.code === 'session_ended') return undefined
    throw error
  })
}

/** What is stored has to be known, also where another caller has begun to create the session. */
async function committed(visit: Visit): Promise<void> {
  do await commit(visit)
  while (visit.isBeingCreated && visit.committing)
}

/** What is to stand under the name after `before`, and what the caller is told. */
type Step = (before: string | null) => { value: unknown; text: string | null }

/** `known` is what was known of the value when the caller asked. */
function compareAndSet(visit: Visit, name: string, known: Known | undefined, held: Held, step: Step): Promise<unknown> {
  const { engine, values } = visit
  // From now, so that the time in the queue counts: a request must not hang behind others, each with a time limit of its own.
  const deadline = performance.now() + 2 * engine.settings.storeTimeout
  return engine.inTurn(held.id, async (waited) => {
    if (waited && performance.now() < deadline) await takeValueOver()
    for (let attempt = 0; attempt < maxAttempts && performance.now() < deadline; attempt++) {
      const before = values.storedText(name)
      const { value, text } = step(before)
      if (text === null && before === null) return value
      const now = engine.settings.clock()
      const patch: SessionPatch = { now, when: { ...visit.when, [name]: before } }
      if (text === null) patch.unset = [name]
      else patch.set = { [name]: text }
      // What is being written may be a sign-in, whose limits do not hold before.
      if (!visit.committing && visit.touchIsDue(now)) addUse(patch, visit)
      const outcome = await engine.store.patch(held.id, patch)
      if (outcome === 'absent') throw ended(visit, values)
      if (outcome === 'applied') {
        if (visit.held && values === visit.values)
          visit.held = { id: held.id, record: patched(visit.held.record, patch) }
        values.replace(name, text, known)
        return value
      }
      if (attempt > 2) await delay(Math.random() * Math.min(2 ** attempt, 50))
      await takeValueOver()
    }
    throw new SojournError('contention', `Session value ${show(name)} was changed too often`)
  })

  /** Takes over what the store holds of the value now, if this visit's token is still good. */
  function takeValueOver(): Promise<void> {
    return readAgain(visit, (record) => {
      const lost = values === visit.values ? visit.holdAgain(record) : 'ended'
      if (lost || !record) throw ended(visit, values, lost)
      values.replace(name, textOf(record.values, name), known)
    })
  }
}

/** The visit may have gone on with another session meanwhile, which is not lost. */
function ended(visit: Visit, values: Values, reason: Visit['lost'] = 'ended'): SojournError {
  if (values === visit.values && reason) visit.lose(reason)
  return sessionEnded()
}
