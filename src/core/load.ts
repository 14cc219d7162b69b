import type { AcceptedSessions } from './accepted-sessions.js'
import { clientChanges, clientName, clientOf, clientText } from './client.js'
import { type CookieForm, cookieFormOf, cookieValues, isForwarded, isOursAlone } from './cookie.js'
import type { SealedSession } from './cookie-store.js'
import { refuseCrossOrigin } from './cross-origin.js'
import type { Engine } from './engine.js'
import type { RefusalReason } from './events.js'
import { after, isOutage } from './guarded-store.js'
import { opensSocket, type RequestFacts } from './request-facts.js'
import { signInName } from './sign-in.js'
import { type Awaitable, isPromise, isRecord, type SessionRecord } from './store.js'
import {
  digestText,
  hasDigest,
  parseToken,
  recognize,
  renewalDueAt,
  renewalName,
  renewalOf,
  replacementOf,
  type Token,
  tokenText,
} from './token.js'
import { headerTokens } from './transport.js'
import { Visit } from './visit.js'

/**
 * Begins a visit: finds the token, reads the session, and judges it. At most one call of the store, as a rule. `null` for a
 * request that brings nothing to be judged: its visit can wait until somebody asks for it.
 */
export function load(engine: Engine, request: RequestFacts): Awaitable<Visit> | null {
  const { transport, cookie, trustedOrigins } = engine.settings
  if (trustedOrigins) refuseCrossOrigin(request, trustedOrigins)
  const text = transport ? request.header(transport.header) : request.cookie
  // Of one that was handed on, a framework may tell the connection differently once the client has gone.
  if (text === undefined && !engine.cookieStore && !isForwarded(request)) return null
  const form = cookieFormOf(cookie, request)
  const sealed = engine.cookieStore && form ? engine.cookieStore.session(form) : null
  const visit = new Visit(engine, request, form, sealed)
  if (!form || text === undefined) return visit
  const tokens = tokensOf(engine, text, form, sealed)
  // Who planted cookies that cancel each other can plant an old one that is accepted, too.
  if (!tokens || (tokens.length === 0 && !engine.accepted)) return visit
  try {
    const found = findOwnOrAccepted(visit, tokens)
    return isPromise(found) ? found.then(undefined, (error: unknown) => meetFailure(visit, error)) : found
  } catch (error) {
    return meetFailure(visit, error)
  }
}

function tokensOf(engine: Engine, text: string, form: CookieForm, sealed: SealedSession | null): Token[] | null {
  const { transport, clock } = engine.settings
  if (transport) return headerTokens(transport, text)
  return sealed ? sealed.open(text, clock()) : tokensIn(text, form)
}

function findOwnOrAccepted(visit: Visit, tokens: readonly Token[]): Awaitable<Visit> {
  const { accepted } = visit.engine
  const [first, second] = tokens
  const found = first ? (second ? findOneOfTwo(visit, first, second) : find(visit, first)) : visit
  if (!accepted) return found
  // Another visit that holds nothing is that of two which cancel each other.
  return after(found, (own) => (own.held || own.lost || own !== visit ? own : takeOver(own, accepted)))
}

/** Goes on with the session of another library, if the visitor brings one. */
async function takeOver(visit: Visit, accepted: AcceptedSessions): Promise<Visit> {
  const continued = await accepted.continued(visit.request.cookie ?? '', visit.engine)
  if (!continued) return visit
  judge(visit, continued.token, continued.record)
  if (visit.held) {
    visit.derivedAt = visit.engine.settings.clock()
    visit.cookie = 'send'
    visit.mayChange()
  }
  return visit
}

/**
 * At most two tokens of the right shape: a browser may hold one for each partition or path, and no more make sense. Who plants
 * one can plant more, to hide the visitor's own behind them: then none counts, and it is `null`.
 */
function tokensIn(header: string, form: CookieForm): Token[] | null {
  const tokens: Token[] = []
  for (const value of cookieValues(header, form.name)) {
    const token = parseToken(value)
    const isRepeated = tokens.some((it) => tokenText(it) === value)
    if (token && !isRepeated && tokens.push(token) > 2) return isOursAlone(form) ? tokens : null
  }
  return tokens
}

function find(visit: Visit, token: Token): Awaitable<Visit> {
  return after(visit.engine.store.read(token.id), (record) => judge(visit, token, record))
}

async function findOneOfTwo(visit: Visit, first: Token, second: Token): Promise<Visit> {
  await find(visit, first)
  const other = await find(emptyVisit(visit), second)
  // The second also where its token was just replaced: it starts no session.
  if (!visit.held || !other.held) return other.held || (other.lost && !visit.held) ? other : visit
  // Of one session both are where the cookie was given another path. That before a renewal need not be renewed once more.
  if (visit.held.id === other.held.id) return visit.cookie === 'send' ? other : visit
  if (visit.form && isOursAlone(visit.form)) return visit
  visit.engine.events.emit('sameNameCookies', { ids: [visit.held.id, other.held.id] })
  return emptyVisit(visit)
}

/** As if the request had brought no cookie. */
function emptyVisit({ engine, request, form }: Visit): Visit {
  return new Visit(engine, request, form)
}

/** Takes the session over if the record is alive and the secret is its own. */
function judge(visit: Visit, token: Token, record: SessionRecord | null): Visit {
  const { settings } = visit.engine
  const now = settings.clock()
  if (!record) return refuse(visit, token, 'unknown_id')
  if (!isRecord(record)) return refuse(visit, token, 'corrupt_record')
  const known = recognize(digestText(token.secret), record, now, settings.lifetime.overlap)
  if (known === 'stale') return refuse(visit, token, 'stale_token')
  // A sign-in or renew() replaced the token while the request was on its way: it is a guest's, and what it sets is dropped. Else
  // the cookie of a guest's session could take the place of the one that the sign-in is sending.
  if (known === 'replaced') {
    visit.replacedId = token.id
    visit.lose('token_replaced')
  }
  if (known !== 'current' && known !== 'previous')
    return refuse(visit, token, hasDigest(record) ? 'wrong_secret' : 'corrupt_record')
  visit.hold({ id: token.id, record }, token)
  if (record.expiresAt <= now || visit.start + visit.limits.absolute <= now) {
    visit.forget()
    return refuse(visit, token, 'expired')
  }
  if (known === 'previous') visit.offerSuccessor(record)
  prepare(visit, record, now)
  return visit
}

/** Notes what using the session brings about by itself: a later expiry, a scheduled renewal. */
function prepare(visit: Visit, record: SessionRecord, now: number): void {
  const { settings } = visit.engine
  if (visit.touchIsDue(now)) visit.mayChange()
  if (record.userId !== null) watchBinding(visit, record, record.userId)
  const { renewEvery, overlap } = settings.lifetime
  if (visit.cookie === 'send') return
  const renewal = renewalOf(record)
  if (renewal && renewal.seenAt === null) {
    visit.planOwnValue(renewalName, JSON.stringify({ ...renewal, seenAt: now }))
    visit.mayChange()
  } else if (renewEvery && now >= renewalDueAt(renewEvery, overlap, visit.start, replacementOf(record))) {
    visit.plan({ tokenChange: 'scheduled' })
    visit.mayChange()
  }
}

/** Tells when a signed-in session comes from elsewhere: once, for the record then takes the new client over. */
function watchBinding(visit: Visit, { values }: SessionRecord, userId: string): void {
  const { settings, events } = visit.engine
  const { client: keep, onBindingChange } = settings
  const before = values[clientName]
  // Who tells nothing of themselves is another than who did, but not a caller of `load` that hands over no more than a cookie.
  const text = clientText(visit.request, keep) ?? (visit.request.method && '{}')
  if (!before || !text || text === before) return
  const changes = clientChanges(clientOf(values, keep), clientOf({ [clientName]: text }, keep))
  if (changes.length === 0) return
  visit.planOwnValue(clientName, text)
  if (visit.signedIn && onBindingChange === 'reauthenticate') {
    visit.signedIn = { ...visit.signedIn, doubted: true }
    visit.planOwnValue(signInName, JSON.stringify(visit.signedIn))
  }
  visit.mayChange()
  events.emit('bindingChanged', { id: visit.id, userId, changes })
}

function refuse(visit: Visit, token: Token, reason: RefusalReason): Visit {
  visit.engine.events.emit('refused', { id: token.id, reason, address: visit.request.address ?? null })
  return visit
}

function meetFailure(visit: Visit, error: unknown): Visit {
  // It is no outage where, say, the app makes a wrong user id of a session that is taken over. And a socket would stay a
  // stranger's when the store is back.
  if (visit.engine.settings.onStoreError === 'fail' || !isOutage(error) || opensSocket(visit.request)) {
    visit.request.unread?.(error)
    throw error
  }
  const empty = emptyVisit(visit)
  empty.outage = error
  return empty
}
