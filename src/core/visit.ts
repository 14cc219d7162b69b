import { type CookieForm, cookieFormOf } from './cookie.js'
import type { SealedSession } from './cookie-store.js'
import { type Engine, engineOver } from './engine.js'
import { SojournError } from './errors.js'
import type { EndReason } from './events.js'
import { type Intentions, noIntentions } from './intentions.js'
import { refuseLateChange } from './late-change.js'
import { expiryOf, type Limits, touchIsDue } from './lifetime.js'
import type { RequestFacts } from './request-facts.js'
import {
  isSameSignIn,
  type SignIn,
  type SignInOptions,
  signInName,
  signInOf,
  signInOptionsOf,
  userIdText,
} from './sign-in.js'
import type { SessionRecord } from './store.js'
import {
  digestText,
  mintToken,
  type Recognition,
  recognize,
  renewalName,
  renewalOf,
  successorOf,
  type Token,
  tokenName,
} from './token.js'
import { Values } from './values.js'

/** A session as the store was last known to have it. */
export interface Held {
  readonly id: string
  readonly record: SessionRecord
}

/** Sessions that this visit ends. */
export interface Ending {
  readonly held: Held
  readonly token: Token | null
  /** What the client was about to be told. */
  readonly cookie: CookieAction
  readonly reason: EndReason
}

/** What the response is to tell the client about its token. */
export type CookieAction = 'none' | 'send' | 'clear'

/** One request's hold on its session: what was read, and what is intended. Calls no store; `commit` does. */
export class Visit {
  readonly engine: Engine
  readonly request: RequestFacts

  /** What the store holds; `null` for a session that is not stored. */
  held: Held | null = null
  userId: string | null = null
  signedIn: SignIn | null = null

  /** Intentions, in the order in which they are carried out. */
  endings: Ending[] = []
  intentions: Intentions = noIntentions
  startAsked = false
  /** The store was asked to create the session, and has not answered: its cookie will be sent. */
  isBeingCreated = false

  cookie: CookieAction = 'none'
  /** The token that the client holds, or is about to be given. */
  token: Token | null = null
  clearSiteData = false
  /** When a token that follows from the one that the client brought was last known to be good. */
  derivedAt: number | null = null

  /**
   * Whether this is a long connection, which outlives the renewals of its token: its writes are bound to the sign-in under
   * which it was opened.
   */
  isConnection = false
  /** Whether the response depends on the session, so that caches must not mix visitors. */
  wasUsed = false
  /** Whether the response must not be kept, whoever it is for. */
  noStore = false
  /** Whether the request counts as use of the session, and so moves its expiry. */
  isActivity = true

  /** The session whose token was replaced, for reports alone: it is not this visit's, which has another id. */
  replacedId: string | null = null
  /** Why writes are dropped, once one was. */
  lost: false | 'ended' | 'token_replaced' = false
  /** The store could not be read, and the policy is `'anonymous'`. */
  outage: SojournError | null = null
  /** The store failed to write, which is not tried again; or a sign-in was refused. */
  failure: unknown
  /** Whether somebody awaits what `save()`, `update()` or `take()` returned, and so learns how the write ends. */
  saveIsAwaited = false
  committing: PromiseLike<unknown> | null = null
  /** The commit after that one, which serves all who asked while that one went on. */
  nextCommit: PromiseLike<void> | null = null
  /** The user whose number of sessions nobody else changes meanwhile. */
  countedUser: string | null = null

  /** The object that handlers hold, once one asked for it. */
  session: object | null = null
  #values: Values | null = null
  #form: CookieForm | null | undefined
  #mayChange = false
  #now: number

  /** The session itself, where it travels in the cookie. */
  readonly sealed: SealedSession | null

  constructor(engine: Engine, request: RequestFacts, form?: CookieForm | null, sealed?: SealedSession | null) {
    this.engine = sealed ? engineOver(sealed, engine, request) : engine
    this.sealed = sealed ?? null
    this.request = request
    this.#form = form
    this.#now = engine.settings.clock()
  }

  /**
   * How the cookie travels on this connection; `null` where none may be sent. A request that neither brings a cookie nor
   * gets one is never asked.
   */
  get form(): CookieForm | null {
    if (this.#form === undefined) {
      this.#form = cookieFormOf(this.engine.settings.cookie, this.request)
    }
    return this.#form
  }

  /** Takes over a session that was read or written. */
  hold(held: Held, token: Token | null): void {
    this.held = held
    this.token = token
    this.userId = held.record.userId
    this.signedIn = signInOf(held.record.values)
    this.#values?.startAgain(held.record.values)
  }

  /** The values, which most requests of a static page never ask for. */
  get values(): Values {
    this.#values ??= new Values(this.held?.record.values ?? {})
    return this.#values
  }

  get id(): string {
    if (this.held) return this.held.id
    this.token ??= mintToken()
    return this.token.id
  }
  get createdAt(): number {
    return this.held?.record.createdAt ?? this.#now
  }
  get expiresAt(): number {
    return this.held && this.intentions.tokenChange !== 'sign-in'
      ? this.held.record.expiresAt
      : this.expiryAt(this.#now)
  }

  get authenticatedAt(): number | null {
    return this.signedIn && !this.signedIn.doubted ? this.signedIn.at : null
  }

  get limits(): Limits {
    return this.signedIn?.remember ? this.engine.settings.lifetime.remember : this.engine.settings.lifetime
  }
  /** From when the absolute timeout counts. */
  get start(): number {
    return this.signedIn?.at ?? this.createdAt
  }
  expiryAt(now: number): number {
    return expiryOf(this.limits, this.start, now)
  }
  touchIsDue(now: number): boolean {
    if (!this.isActivity || !this.held) return false
    // It moves the expiry itself, by limits that do not hold before.
    if (this.intentions.tokenChange === 'sign-in') return false
    return touchIsDue(this.limits, this.start, now, this.held.record)
  }

  /**
   * A write failed, and is not made again. What was to end may not have; a token that was written before is the only one
   * that is good by now.
   */
  fail(error: unknown): void {
    this.failure ??= error
    if (this.cookie === 'clear') this.cookie = 'none'
    this.clearSiteData = false
  }
  /** Whether the handler has met the failure of a write, and a response with this status answers it: it would fail once more. */
  isFailureAnswered(statusCode: number): boolean {
    return this.failure !== undefined && this.saveIsAwaited && statusCode >= 400
  }
  /** Notes that a commit may have something to do; lets an adapter hold the response back only then. */
  mayChange(): void {
    if (this.#mayChange && !this.request.headersSent) return
    this.#mayChange = true
    this.request.mayChange?.()
  }
  /** Whether `commit` may have something to do: cheap, and never wrong in saying no. */
  get needsCommit(): boolean {
    return this.#mayChange
  }

  /** Refuses changes during an outage, and those that need a cookie once the response has begun. */
  intend(verb: string, needsCookie = this.sealed !== null): void {
    if (this.outage) {
      throw new SojournError('store_unavailable', `${verb}: the session store failed, so nothing can be changed`, {
        cause: this.outage,
      })
    }
    if (needsCookie && this.request.headersSent) refuseLateChange(verb)
    this.wasUsed = true
    this.mayChange()
  }

  /** Whether a value can be kept only with a cookie that the client is not about to be given by itself. */
  get lacksCookie(): boolean {
    // A new session may wait until the one in whose place it comes has ended.
    const isToBeCreated = this.isBeingCreated || (this.startAsked && this.committing)
    return this.sealed !== null || (this.held === null && !isToBeCreated)
  }

  signIn(userId: string | number | bigint, options: SignInOptions = {}): void {
    const id = userIdText(userId)
    const { remember, method } = signInOptionsOf(options)
    this.intend('session.signIn()', true)
    if (this.lost) this.startOver()
    if (this.userId !== null && this.userId !== id) this.#end('replaced')
    this.userId = id
    this.signedIn = { at: this.engine.settings.clock(), method, remember }
    this.plan({ tokenChange: 'sign-in' })
  }

  /** Asks for a session to be stored, even an empty one. */
  begin(): void {
    this.startAsked = true
    this.mayChange()
  }

  renew(): void {
    this.intend('session.renew()', true)
    if (this.held && this.intentions.tokenChange !== 'sign-in') this.plan({ tokenChange: 'renew' })
  }

  regenerate(): void {
    this.intend('session.regenerate()', true)
    this.#end('regenerated')
    this.begin()
  }

  destroy(clearSiteData: boolean): void {
    // What is kept on the server ends there.
    this.intend(
      `session.${clearSiteData ? 'signOut' : 'destroy'}()`,
      this.sealed !== null && !this.engine.cookieStore?.revocation,
    )
    this.#end('destroyed')
    this.startAsked = false
    this.clearSiteData ||= clearSiteData && this.failure === undefined
  }

  touch(): void {
    this.intend('session.touch()')
    this.plan({ touch: true })
  }

  /** Lets go of the present session, to be deleted by the commit, and goes on with an empty one. */
  #end(reason: EndReason): void {
    if (this.held) {
      this.endings.push({ held: this.held, token: this.token, cookie: this.cookie, reason })
      // After a failure nothing is written any more: it does not end.
      this.cookie = this.failure === undefined ? 'clear' : 'none'
    } else if (this.cookie === 'send') this.cookie = 'none'
    this.forget()
  }

  /** Goes on with an empty session that is not stored. */
  forget(): void {
    this.held = null
    this.token = null
    this.derivedAt = null
    this.userId = null
    this.signedIn = null
    this.#values = null
    this.intentions = noIntentions
    this.isBeingCreated = false
    this.lost = false
    this.replacedId = null
    this.#now = this.engine.settings.clock()
  }

  /** Goes on with a session of its own, which has what was set here and nothing of the one that was lost. */
  startOver(): void {
    const before = this.values
    const names = Object.keys(before.changes().set)
    this.forget()
    for (const name of names) this.values.set(name, before.get(name))
  }

  /** What a record, read again, says of this visit's token. */
  #recognition(record: SessionRecord, now: number): Recognition {
    if (this.isConnection) return this.held && isSameSignIn(this.held.record, record) ? 'current' : 'unknown'
    if (!this.token) return 'unknown'
    return recognize(digestText(this.token.secret), record, now, this.engine.settings.lifetime.overlap)
  }
  /** Takes over the same session, read again, if it lives and this visit's token is still good for it; else tells how it was lost. */
  holdAgain(record: SessionRecord | null): false | 'ended' | 'token_replaced' {
    const { held } = this
    const now = this.engine.settings.clock()
    if (!held || !record || record.expiresAt <= now) return 'ended'
    const recognition = this.#recognition(record, now)
    if (recognition !== 'current' && recognition !== 'previous') return 'token_replaced'
    this.held = { id: held.id, record }
    if (recognition === 'previous') this.offerSuccessor(record)
    return false
  }

  /** Goes on without the session, which has ended or is another's by now: what is written to it is dropped. */
  lose(reason: 'ended' | 'token_replaced'): void {
    this.lost = reason
    // Our cookie would race with the one that a sign-in sends.
    this.cookie = 'none'
  }

  /** Adds to what the next patch is to carry. */
  plan(intentions: Partial<Intentions>): void {
    this.intentions = { ...this.intentions, ...intentions }
  }
  planOwnValue(name: string, text: string): void {
    this.plan({ ownValues: { ...this.intentions.ownValues, [name]: text } })
  }
  /** Takes up again what was noted when the session was read, but for the renewal, of which the store may know better by now. */
  planNotesAgain({ ownValues }: Intentions): void {
    const { [renewalName]: _, ...notes } = ownValues
    this.plan({ ownValues: { ...notes, ...this.intentions.ownValues } })
  }
  takeIntentions(): Intentions {
    const taken = this.intentions
    this.intentions = noIntentions
    return taken
  }

  /**
   * Gives a client that still presents the token before a scheduled renewal the one that followed, which is the same
   * for every request and every repetition.
   */
  offerSuccessor(record: SessionRecord): void {
    const renewal = renewalOf(record)
    if (!renewal || !this.token) return
    const secret = successorOf(this.token.secret, renewal.nonce)
    if (digestText(secret) !== record.values[tokenName]) return
    this.token = { id: this.token.id, secret }
    this.derivedAt = this.engine.settings.clock()
    this.cookie = 'send'
    this.mayChange()
  }

  /** What every write of this visit is bound to: the token it was read under, or the sign-in of a connection. */
  get when(): Record<string, string | null> {
    const name = this.isConnection ? signInName : tokenName
    return { [name]: this.held?.record.values[name] ?? null }
  }
}
