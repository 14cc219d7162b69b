import type { AcceptedRecord, AcceptedSessions } from './accepted-sessions.js'
import { signInName, userIdText } from './sign-in.js'
import type { SessionRecord } from './store.js'
import { digestText, parseToken, type Token, tokenName } from './token.js'
import type { Visit } from './visit.js'

/**
 * Goes on with the session of another library, if the visitor brings one: it is read, kept under a token derived from its
 * cookie, and ended where it was. Parallel requests, and one whose response was lost, are given the same session.
 *
 * The user counts as signed in, but not as having proved it just now: a route that needs a recent sign-in asks for one.
 */
export async function takeOver(
  visit: Visit,
  accepted: AcceptedSessions,
  judge: (token: Token, record: SessionRecord) => unknown,
): Promise<Visit> {
  const found = accepted.find(visit.request.cookie ?? '')
  const token = found && parseToken(found.token)
  if (!token) return visit
  const record = await continued(visit, accepted, found.id, token)
  if (record) judge(token, record)
  if (visit.held) {
    visit.cookie = 'send'
    visit.mayChange()
  }
  return visit
}

/** The record under which a session goes on, whoever made it; `null` where it has ended. */
async function continued(
  visit: Visit,
  accepted: AcceptedSessions,
  oldId: string,
  token: Token,
): Promise<SessionRecord | null> {
  const { store, settings, events } = visit.engine
  const present = await store.read(token.id)
  if (present) {
    // Its maker had no time to end the old session, or it would be gone by now.
    if (present.createdAt < settings.clock() - 60_000) await accepted.end(oldId)
    return present
  }
  const old = await accepted.read(oldId)
  if (!old || old.expiresAt <= settings.clock()) return null
  const record = recordOf(visit, token, old)
  if (!(await store.create(token.id, record))) return store.read(token.id)
  if (await accepted.end(oldId)) {
    events.emit('created', { id: token.id, userId: record.userId, at: record.createdAt })
    return record
  }
  // Another request took it over, and the session has ended since.
  await store.delete(token.id)
  return null
}

function recordOf(visit: Visit, token: Token, { values, userId, remember }: AcceptedRecord): SessionRecord {
  const now = visit.engine.settings.clock()
  const texts: SessionRecord['values'] = { ...values, [tokenName]: digestText(token.secret) }
  if (userId === null) return { values: texts, userId, createdAt: now, expiresAt: visit.expiryAt(now) }
  visit.signedIn = { at: now, method: null, remember, doubted: true }
  texts[signInName] = JSON.stringify(visit.signedIn)
  return { values: texts, userId: userIdText(userId), createdAt: now, expiresAt: visit.expiryAt(now) }
}
