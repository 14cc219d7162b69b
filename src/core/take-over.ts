import { createHmac } from 'node:crypto'
import type { AcceptedRecord, AcceptedSessions, AcceptedSource, ContinuingEngine } from './accepted-sessions.js'
import { isSojournError, SojournError } from './errors.js'
import { type GuardedStore, guardStore } from './guarded-store.js'
import { expiryOf } from './lifetime.js'
import { randomText } from './random.js'
import { type SignIn, signInName, userIdText } from './sign-in.js'
import type { SessionRecord } from './store.js'
import { digestText, parseToken, type Token, tokenName } from './token.js'

/**
 * Goes on with sessions of another library: one is read, kept under a token derived from its cookie, and ended where it
 * was. Parallel requests, and one whose response was lost, are given the same session. For an app that accepts none, none
 * of this is loaded.
 *
 * The user counts as signed in, but not as having proved it just now: a route that needs a recent sign-in asks for one.
 */
export function acceptedSessions(source: AcceptedSource): AcceptedSessions {
  return {
    async continued(cookieHeader, engine) {
      const found = source.find(cookieHeader)
      const token = found && parseToken(found.token)
      const record = token && (await recordOf(source, found.id, token, engine))
      return record ? { token, record } : null
    },

    signing: () => source,
  }
}

/** The token under which a session goes on: as many characters as one has, of the 86 that an HMAC-SHA-512 gives. */
export function continuedToken(secret: string, signed: string): string {
  return createHmac('sha512', secret).update(`sojourn: continues ${signed}`).digest('base64url').slice(0, 64)
}

/** The record under which a session goes on, whoever made it; `null` where it has ended. */
async function recordOf(
  source: AcceptedSource,
  oldId: string,
  token: Token,
  engine: ContinuingEngine,
): Promise<SessionRecord | null> {
  const { store, settings, events } = engine
  const former = guarded(source, engine)
  const present = await store.read(token.id)
  if (present) {
    // Its maker had no time to end the old session, or it would be gone by now.
    if (present.createdAt < settings.clock() - 60_000) {
      if (!isFinished(present)) await store.patch(token.id, { now: settings.clock(), set: { [finishedName]: '1' } })
      await former.delete(oldId)
    }
    return present
  }
  const old = (await former.read(oldId)) as AcceptedRecord | null
  // Another request may have taken it over since.
  if (!old || old.expiresAt <= settings.clock()) return store.read(token.id)
  const record = newRecord(token, old, settings)
  if (!(await store.create(token.id, record))) return store.read(token.id)
  if (await former.delete(oldId)) {
    // A connect store lets each of two who ask at one time believe that it was they who ended a session. Where ours has ended
    // meanwhile, what stands here now was made by the other one, and would bring it back.
    const kept = await store.read(token.id)
    if (kept?.values[makerName] !== record.values[makerName]) {
      if (kept) await store.delete(token.id)
      return null
    }
    events.emit('created', { id: token.id, userId: record.userId, at: record.createdAt })
    return record
  }
  // Another request may have taken this one for dead: this process stood still, or the clock of the other runs ahead.
  const finished = await store.read(token.id)
  if (finished && isFinished(finished)) {
    events.emit('created', { id: token.id, userId: record.userId, at: record.createdAt })
    return finished
  }
  // It took the old session over itself, and the session has ended since.
  await store.delete(token.id)
  return null
}

/** Who ends the old session in the place of the request that took it over says so beforehand. */
const finishedName = '__takenOver'

/** Tells the request that took a session over from others. */
const makerName = '__takenOverBy'

function isFinished({ values }: SessionRecord): boolean {
  return Object.hasOwn(values, finishedName)
}

/**
 * Who is signed in, as the app tells from a session of the other library.
 *
 * @throws `invalid_value` for what is no user id, and where the app's function throws: it is no outage of the store
 */
export function userIdIn<Old>(userId: (session: Old) => unknown, session: Old): string | null {
  try {
    const user = userId(session)
    return user == null ? null : userIdText(user)
  } catch (cause) {
    if (isSojournError(cause)) throw cause
    throw new SojournError('invalid_value', 'The function userId of accept threw', { cause })
  }
}

/** Its calls are bounded as those of the store. */
function guarded(
  source: AcceptedSource,
  { settings, events }: ContinuingEngine,
): Pick<GuardedStore, 'read' | 'delete'> {
  const readOnly = () => false as never
  return guardStore(
    { read: (id) => source.read(id), delete: (id) => source.end(id), create: readOnly, patch: readOnly },
    settings.storeTimeout,
    events,
  )
}

function newRecord(
  token: Token,
  { values, userId, remember }: AcceptedRecord,
  { lifetime, clock }: ContinuingEngine['settings'],
): SessionRecord {
  const now = clock()
  const maker = JSON.stringify(randomText(12))
  const texts: SessionRecord['values'] = { ...values, [tokenName]: digestText(token.secret), [makerName]: maker }
  if (userId === null) return { values: texts, userId, createdAt: now, expiresAt: expiryOf(lifetime, now, now) }
  texts[signInName] = JSON.stringify({ at: now, method: null, remember, doubted: true } satisfies SignIn)
  const expiresAt = expiryOf(remember ? lifetime.remember : lifetime, now, now)
  return { values: texts, userId: userIdText(userId), createdAt: now, expiresAt }
}
