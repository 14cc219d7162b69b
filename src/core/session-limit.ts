import type { Engine } from './engine.js'
import { isSojournError, SojournError } from './errors.js'
import type { EndReason } from './events.js'
import type { Settings } from './options.js'
import { signInOf } from './sign-in.js'
import type { Awaitable, SessionRecord } from './store.js'
import { withUserLock } from './user-lock.js'
import type { Visit } from './visit.js'

/** Whether a commit is about to give a user a session more, where their number is limited. */
export function isLimited({ engine, intentions, userId, held, countedUser }: Visit): boolean {
  return (
    engine.settings.maxPerUser !== null &&
    intentions.tokenChange === 'sign-in' &&
    countedUser !== userId &&
    (held === null || held.record.userId !== userId)
  )
}

/**
 * Signs a user in within `maxPerUser`: under a lock of that user, so that the count is exact wherever the store's `list`
 * is consistent.
 *
 * @throws `session_limit` when the user has enough, and the setting is `'refuse'`
 */
export function withinLimit(visit: Visit, write: () => Awaitable<void>): Promise<void> {
  const { engine, userId } = visit
  // Two that wait for each other's user would wait for ever.
  if (visit.countedUser !== null)
    throw new SojournError('contention', 'Two users were signed in at once: await save() between them')
  const { limit, whenFull } = engine.settings.maxPerUser as NonNullable<Settings['maxPerUser']>
  const signedIn = withUserLock(engine, userId ?? '', async () => {
    // The visit's own session is not among them, unless another request signed in under its token meanwhile: then this
    // one starts a session of its own. Nor are those that it ends.
    const isEnding = (id: string) => visit.endings.some(({ held }) => held.id === id)
    const all = await sessionsOf(engine, userId ?? '')
    const now = engine.settings.clock()
    const others = all.filter(([id, { expiresAt }]) => expiresAt > now && !isEnding(id))
    if (whenFull === 'refuse' && others.length >= limit) refuse(visit, limit)
    visit.countedUser = userId
    try {
      await write()
    } finally {
      visit.countedUser = null
    }
    // It may not have been stored: where no cookie can be sent, or where it was ended meanwhile.
    if (visit.held?.record.userId !== userId) return
    const excess = Math.max(0, others.length + 1 - limit)
    for (const [id] of others.sort(bySignIn).slice(0, excess)) {
      await endFromOutside(engine, id, userId, 'limit')
    }
  })
  return signedIn.catch((error: unknown) => {
    // As after any call of the store: else the page that tells of an outage would sign in after all.
    const isRefused = isSojournError(error) && /^(session_limit|invalid_value|.*_too_large)$/.test(error.code)
    if (!isRefused) visit.fail(error)
    throw error
  })
}

/** Withdraws the sign-in. Whoever awaits `save()` is told there, else the response fails. */
function refuse(visit: Visit, limit: number): never {
  visit.takeIntentions()
  const replaced = visit.endings.at(-1)
  if (replaced?.reason === 'replaced') {
    visit.endings.pop()
    visit.hold(replaced.held, replaced.token)
    visit.cookie = replaced.cookie
  }
  visit.userId = visit.held?.record.userId ?? null
  visit.signedIn = visit.held ? signInOf(visit.held.record.values) : null
  const error = new SojournError('session_limit', `This user has all ${limit} sessions that they may have`)
  if (!visit.saveIsAwaited) visit.failure = error
  throw error
}

function bySignIn([, a]: [string, SessionRecord], [, b]: [string, SessionRecord]): number {
  return startOf(a) - startOf(b)
}

function startOf(record: SessionRecord): number {
  return signInOf(record.values)?.at ?? record.createdAt
}

/** Every session of a user, page by page, also those that have expired. */
export async function sessionsOf(engine: Engine, userId: string): Promise<[id: string, record: SessionRecord][]> {
  const limit = 200
  const all: [string, SessionRecord][] = []
  for (let after: string | undefined; ; ) {
    const page = await engine.store.list({ userId, limit, ...(after && { after }) })
    all.push(...page)
    after = page.at(-1)?.[0]
    if (page.length < limit) return all
  }
}

/** Ends a session that is not this request's. Resolves to whether there was one. */
export async function endFromOutside(
  { store, events }: Engine,
  id: string,
  userId: string | null,
  reason: EndReason,
): Promise<boolean> {
  const existed = await store.delete(id)
  if (existed) events.emit('ended', { id, userId, reason })
  return existed
}
