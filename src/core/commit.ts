import { confirmToken } from './confirm-token.js'
import { SojournError } from './errors.js'
import { after } from './guarded-store.js'
import { type Intentions, noIntentions, type TokenChange } from './intentions.js'
import { isLimited, withinLimit } from './session-limit.js'
import { newSecret, patchOf, signInValues } from './session-patch.js'
import { type Awaitable, isPromise, patched, type SessionRecord } from './store.js'
import { callStore } from './store-call.js'
import { digestText, mintToken, tokenName } from './token.js'
import { noChanges, type ValueChanges } from './values.js'
import type { Held, Visit } from './visit.js'

/**
 * Carries out what a visit intends, in one call of the store (and one for each session that it ends). Commits of one
 * visit follow each other. After a call that failed they keep failing with the same error: what timed out may have
 * happened, and is not repeated, but on a connection whose head is out (see `callStore`).
 */
export function commit(visit: Visit): Awaitable<void> {
  if (visit.committing) {
    visit.nextCommit ??= visit.committing.then(() => {
      visit.nextCommit = null
      return commit(visit)
    })
    return visit.nextCommit
  }
  if (visit.failure !== undefined) throw visit.failure
  if (!visit.needsCommit) return
  // What cannot be stored is refused before another user's session ends for it.
  if (visit.endings.at(-1)?.reason === 'replaced') visit.values.changes()
  const done = limited(visit, () => after(endSessions(visit), () => writeSession(visit)))
  if (!isPromise(done)) return
  const settled = () => {
    visit.committing = null
  }
  visit.committing = done.then(settled, settled)
  return done
}

function endSessions(visit: Visit): Awaitable<void> {
  const ending = visit.endings.shift()
  if (!ending) return
  const { store, events } = visit.engine
  const { id, record } = ending.held
  return callStore(
    visit,
    () => store.delete(id),
    (existed) => {
      if (existed) events.emit('ended', { id, userId: record.userId, reason: ending.reason })
      return endSessions(visit)
    },
    () => visit.endings.unshift(ending),
  )
}

function writeSession(visit: Visit): Awaitable<void> {
  // A sign-in may have been asked for when the loss was not known yet.
  if (visit.lost && visit.intentions.tokenChange !== 'sign-in') return tellDropped(visit, visit.lost)
  // It may also have been asked for while others were being ended.
  return limited(visit, () => (visit.held ? patchSession(visit, visit.held) : createSession(visit)))
}

/** A sign-in that is refused ends no session, that of another user in whose place it came neither. */
function limited(visit: Visit, work: () => Awaitable<void>): Awaitable<void> {
  return isLimited(visit) ? withinLimit(visit, work) : work()
}

function createSession(visit: Visit): Awaitable<void> {
  const { engine, form, values } = visit
  const set: SessionRecord['values'] = { ...values.changes().set }
  const signsIn = visit.intentions.tokenChange === 'sign-in'
  if (!visit.startAsked && !signsIn && Object.keys(set).length === 0) return
  if (!form) {
    const option = engine.settings.transport ? 'transport' : 'cookie'
    engine.warnOnce(
      'A session was not stored: the connection looks like plain HTTP. Behind a proxy that ends TLS, tell your framework so ' +
        `(Express: app.set('trust proxy', 1)), or set ${option}.secure`,
    )
    return
  }
  const now = engine.settings.clock()
  const token = visit.token ?? mintToken()
  visit.token = token
  if (signsIn) Object.assign(set, signInValues(visit))
  set[tokenName] = digestText(token.secret)
  const record: SessionRecord = { values: set, userId: visit.userId, createdAt: now, expiresAt: visit.expiryAt(now) }
  const intentions = visit.takeIntentions()
  const written = writtenBy(visit)
  const { startAsked } = visit
  visit.startAsked = false
  visit.isBeingCreated = true
  const again = () => {
    if (values !== visit.values) return
    visit.isBeingCreated = false
    resume(visit, intentions)
    visit.startAsked = startAsked
  }
  return callStore(
    visit,
    () => engine.store.create(token.id, record),
    (isFree) => {
      if (!isFree) throw new SojournError('contention', `The session id ${token.id} is taken`)
      const held = { id: token.id, record }
      engine.events.emit('created', { id: token.id, userId: record.userId })
      if (values === visit.values) {
        visit.isBeingCreated = false
        takeOver(visit, held, { set, unset: [] })
        visit.cookie = 'send'
      } else {
        // Destroyed while it was being created.
        visit.endings.push({ held, token, cookie: 'none', reason: 'destroyed' })
      }
      tellTokenChange(written, token.id, intentions.tokenChange)
    },
    again,
  )
}

function patchSession(visit: Visit, held: Held, conflicts = 0): Awaitable<void> {
  const { engine, values } = visit
  const now = engine.settings.clock()
  const changes = values.changes()
  // Such as after a handler has read an object: it might have changed it.
  if (changes === noChanges && visit.intentions === noIntentions && !visit.touchIsDue(now))
    return confirmToken(visit, held, now)
  const intentions = visit.takeIntentions()
  const secret = newSecret(visit, held, intentions, now)
  const patch = patchOf(visit, held, changes, intentions, secret, now)
  if (!patch) return confirmToken(visit, held, now)
  const written = writtenBy(visit)
  return callStore(
    visit,
    () => engine.store.patch(held.id, patch),
    (outcome) => {
      if (values !== visit.values) {
        // Destroyed meanwhile, which does not undo what happened before.
        if (outcome === 'applied') tellTokenChange(written, held.id, intentions.tokenChange)
        return
      }
      if (outcome === 'conflict') return reconsider(visit, held, intentions, conflicts)
      // Also of a store that is wrapped by what forgets to answer: it did not say that anything was written.
      if (outcome !== 'applied') return dropWrite(visit, intentions, 'ended')
      takeOver(visit, { id: held.id, record: patched(held.record, patch) }, changes)
      const isDerived =
        intentions.tokenChange === 'none' ? visit.derivedAt !== null : intentions.tokenChange === 'scheduled'
      visit.derivedAt = isDerived ? now : null
      if (secret === null) return
      visit.token = { id: held.id, secret: secret.text }
      visit.cookie = 'send'
      tellTokenChange(written, held.id, intentions.tokenChange)
    },
    () => values === visit.values && resume(visit, intentions),
  )
}

/** The token was replaced since the session was read. The write goes on only if this visit's token is still good. */
function reconsider(visit: Visit, held: Held, intentions: Intentions, conflicts: number): Awaitable<void> {
  const { engine, values } = visit
  return callStore(
    visit,
    () => engine.store.read(held.id),
    (record) => {
      if (values !== visit.values) return
      const lost = visit.holdAgain(record)
      if (lost) return dropWrite(visit, intentions, lost)
      if (conflicts > 20) throw new SojournError('contention', `Session ${held.id} was given a new token too often`)
      resume(visit, intentions)
      return limited(visit, () => patchSession(visit, visit.held ?? held, conflicts + 1))
    },
    () => values === visit.values && resume(visit, intentions),
  )
}

/** Takes intentions up again, but for a scheduled renewal, which another request has made meanwhile. */
function resume(visit: Visit, intentions: Intentions): void {
  const { tokenChange, touch } = intentions
  visit.planNotesAgain(intentions)
  if (touch) visit.plan({ touch })
  if (visit.intentions.tokenChange === 'none' && tokenChange !== 'scheduled') visit.plan({ tokenChange })
}

/**
 * The session ended, or was taken over by a sign-in, while this request ran: its writes are dropped and reported. A
 * sign-in is not. It was proved here and now, so it starts a session of its own, with what this request set and nothing
 * of the one that ended.
 */
function dropWrite(visit: Visit, intentions: Intentions, reason: 'ended' | 'token_replaced'): Awaitable<void> {
  if (intentions.tokenChange === 'sign-in' || visit.intentions.tokenChange === 'sign-in') {
    const { userId, signedIn } = visit
    visit.startOver()
    visit.userId = userId
    visit.signedIn = signedIn
    visit.plan({ tokenChange: 'sign-in' })
    return writeSession(visit)
  }
  visit.lose(reason)
  tellDropped(visit, reason, intentions.tokenChange === 'renew')
}

/** Reports what was not reported yet of the changes that are dropped. */
function tellDropped(visit: Visit, reason: 'ended' | 'token_replaced', isNewToken = false): void {
  const { engine, values } = visit
  const changes = values.changes()
  const names = [...Object.keys(changes.set), ...changes.unset]
  if (names.length === 0 && !isNewToken) return
  values.written(changes)
  engine.events.emit('writeDropped', { id: visit.replacedId ?? visit.id, reason, names })
}

function takeOver(visit: Visit, held: Held, changes: ValueChanges): void {
  visit.held = held
  visit.values.written(changes)
}

/** Whose session was written, as of then: the visit may have gone on with another since. */
type Written = Pick<Visit, 'engine' | 'userId' | 'signedIn'>

function writtenBy({ engine, userId, signedIn }: Visit): Written {
  return { engine, userId, signedIn }
}

function tellTokenChange({ engine, userId, signedIn }: Written, id: string, change: TokenChange): void {
  if (change === 'none') return
  if (change !== 'sign-in') engine.events.emit('renewed', { id, userId, scheduled: change === 'scheduled' })
  else if (userId !== null && signedIn) {
    const { at, method, remember } = signedIn
    engine.events.emit('signedIn', { id, userId, at, method, remembered: remember })
  }
}
