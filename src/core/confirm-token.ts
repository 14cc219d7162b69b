import { type Awaitable, isPromise, type SessionRecord } from './store.js'
import type { Held, Visit } from './visit.js'

/** Until the answer of a page that is slower, its visitor may have signed in. Milliseconds. */
const quick = 100

/**
 * Looks whether a token that the client is about to be given is still good, as nothing is to be written by which that would
 * be known: it would take the place of the one that a sign-in has sent.
 */
export function confirmToken(visit: Visit, held: Held, now: number): Awaitable<void> {
  const { engine, request, values, derivedAt } = visit
  if (derivedAt === null || now - derivedAt < quick || visit.cookie !== 'send' || request.headIsOut) return
  const judge = (record: SessionRecord | null) => {
    if (values !== visit.values) return
    visit.derivedAt = now
    const lost = visit.holdAgain(record)
    if (lost) visit.lose(lost)
  }
  const leave = () => {
    // The client has the token before, and is offered this one again.
    if (values === visit.values) visit.cookie = 'none'
  }
  try {
    const record = engine.store.read(held.id)
    return isPromise(record) ? record.then(judge, leave) : judge(record)
  } catch {
    leave()
  }
}
