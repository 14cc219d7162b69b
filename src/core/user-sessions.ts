import { clientOf } from './client.js'
import type { Engine } from './engine.js'
import { lastSeenOf } from './lifetime.js'
import { refuseOption, refuseUnknownOptions, wholeNumber } from './option-checks.js'
import { endFromOutside, sessionsOf } from './session-limit.js'
import { signInOf, userIdText } from './sign-in.js'
import { isRecord, type SessionRecord } from './store.js'
import { hasDigest, isRecordId, isSessionId } from './token.js'

/** A device, as its `User-Agent` describes it. */
export interface Device {
  /** For people, such as `'Firefox on Linux'`. */
  readonly name: string
  /** Such as `'Firefox'`; `null` where it is unknown. */
  readonly browser: string | null
  /** The operating system, such as `'Linux'`; `null` where it is unknown. */
  readonly system: string | null
  /** `'other'` also where it is unknown. */
  readonly kind: 'desktop' | 'mobile' | 'tablet' | 'other'
}

/** What is known of a session without being its visitor: for a page of devices, for an administrator. */
export interface SessionInfo {
  /** Names the session; safe to show, and what `end` takes. */
  readonly id: string
  /** Whose it is; `null` for a guest. */
  readonly userId: string | null
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number
  /** When the user signed in, or was taken over by `accept`; `null` for a guest. */
  readonly authenticatedAt: number | null
  /** When it was last used, to within a tenth of the idle timeout. */
  readonly lastSeenAt: number
  /** When it ends if it is not used. */
  readonly expiresAt: number
  /** How the user signed in, as `signIn` was told. */
  readonly method: string | null
  /** What signed in; `null` where it is unknown, or `device: false`. */
  readonly device: Device | null
  /** From where; `null` where it is unknown, or `address: false`. */
  readonly address: string | null
}

/** A page of sessions. */
export interface SessionPage {
  /** In ascending order of `id`; fewer than `limit` where some had expired. */
  readonly sessions: readonly SessionInfo[]
  /** What to pass as `after` for the next page; `null` when there is none. */
  readonly next: string | null
}

/** Which sessions to list, and how many at once. */
export interface PageOptions {
  /** Whose sessions. Default: everybody's. */
  userId?: string | number | bigint
  /** How many records to look at, at most. Default 50. */
  limit?: number
  /** The `next` of the page before. */
  after?: string
}

export async function listSessions(engine: Engine, options: PageOptions): Promise<SessionPage> {
  // A `userID` in place of `userId` must not come to mean everybody.
  refuseUnknownOptions('sessions.list()', options, ['userId', 'limit', 'after'] satisfies (keyof PageOptions)[])
  const { limit = 50, after } = options
  wholeNumber(limit, 'limit of a page of sessions')
  // A page may end with a record that is no session of the engine's, such as one of the drop-in.
  if (after !== undefined && !isRecordId(after))
    refuseOption('after of a page of sessions', 'the `next` of the page before', after)
  const page = await engine.store.list({
    limit,
    // An owner who turns out to be undefined is an error: it must not come to mean everybody.
    ...('userId' in options && { userId: userIdText(options.userId) }),
    ...(after && { after }),
  })
  const now = engine.settings.clock()
  const living = page.filter(([, record]) => isRecord(record) && record.expiresAt > now && hasDigest(record))
  const sessions = await Promise.all(living.map(([id, record]) => infoOf(engine, id, record)))
  return { sessions, next: page.length < limit ? null : (page.at(-1)?.[0] ?? null) }
}

/** The session that `endAll` is to leave alone. Throws `invalid_option` for anything else. */
export function exceptOf(options: { readonly except?: string }): string | undefined {
  refuseUnknownOptions('sessions.endAll()', options, ['except'])
  const { except } = options
  if (except !== undefined && typeof except !== 'string') {
    refuseOption('except of sessions.endAll()', 'the id of a session', except)
  }
  return except
}

/** Ends one session, of that owner if one is named. */
export async function endSession(engine: Engine, id: string, userId: string | undefined): Promise<boolean> {
  if (!isSessionId(id)) return false
  const record = await engine.store.read(id)
  if (!record || (userId !== undefined && record.userId !== userId)) return false
  return revoke(engine, id, record)
}

async function revoke(engine: Engine, id: string, { userId, expiresAt }: SessionRecord): Promise<boolean> {
  if (expiresAt > engine.settings.clock()) return endFromOutside(engine, id, userId, 'revoked')
  // It has ended by time. It goes all the same: by the clock of another machine it may live.
  await engine.store.delete(id)
  return false
}

/** Ends a user's sessions but one, also those that begin meanwhile; resolves to how many there were. */
export async function endAllSessions(engine: Engine, userId: string, except: string | undefined): Promise<number> {
  let ended = 0
  for (;;) {
    const others = (await sessionsOf(engine, userId)).filter(([id]) => id !== except)
    const gone = await Promise.all(others.map(([id, record]) => revoke(engine, id, record)))
    const count = gone.filter(Boolean).length
    ended += count
    if (count === 0) return ended
  }
}

async function infoOf({ settings }: Engine, id: string, record: SessionRecord): Promise<SessionInfo> {
  const { userId, createdAt, expiresAt } = record
  const signedIn = signInOf(record.values)
  const limits = signedIn?.remember ? settings.lifetime.remember : settings.lifetime
  const { agent, address = null } = clientOf(record.values, settings.client)
  return {
    id,
    userId,
    createdAt,
    authenticatedAt: signedIn?.at ?? null,
    // Made under a longer idle timeout, it would have been seen later than now.
    lastSeenAt: Math.min(settings.clock(), lastSeenOf(record, limits, signedIn?.at ?? createdAt)),
    expiresAt,
    method: signedIn?.method ?? null,
    device: agent === undefined ? null : await deviceOf(agent),
    address,
  }
}

/** The parser is loaded when it is first needed, for few processes list sessions. */
async function deviceOf(agent: string): Promise<Device | null> {
  const { default: parser } = await import('bowser')
  try {
    const { browser, os, platform } = parser.parse(agent)
    const system = os.name ?? null
    const name = browser.name || null
    return {
      name: [name ?? 'An unknown browser', system].filter(Boolean).join(' on '),
      browser: name,
      system,
      kind: (['desktop', 'mobile', 'tablet'] as const).find((kind) => kind === platform.type) ?? 'other',
    }
  } catch {
    return null
  }
}
