import type { ServerResponse } from 'node:http'
import { isHeadSent } from '../adapters/gate/head.js'
import type { Gatekeeper } from '../adapters/gate.js'
import { serialize, type WorkingCookie } from './cookie.js'
import { defer } from './defer.js'
import {
  adopt,
  type Callback,
  createSession,
  type Session,
  type SessionHolder,
  type Watcher,
  watcher,
} from './session.js'
import type { SessionData } from './session-data.js'
import { type Secret, sign } from './signature.js'
import type { MountedStore } from './store.js'
import { StoreCalls } from './store-calls.js'

/** What the options say about storing a session and sending its cookie. */
export interface Policy {
  readonly store: MountedStore
  readonly cookieName: string
  /** Whether a loaded session is stored although nothing changed. */
  readonly resave: boolean
  /** Whether a new session is stored although nothing was put into it. */
  readonly saveUninitialized: boolean
  /** Whether the cookie is sent with every response. */
  readonly rolling: boolean
  /** Whether a request without its `req.session` at the end has its session destroyed. */
  readonly unsetDestroys: boolean
  /** Whether the store can move an expiry without writing the session. */
  readonly storeTouches: boolean
  isSecure(request: SessionHolder): boolean
}

/** One request, and what it brought. */
export interface Arrival {
  readonly request: SessionHolder
  readonly response: ServerResponse
  next(error?: unknown): void
  /** The session id of its cookie. */
  readonly broughtId: string | undefined
  /** Signs the cookie of the response. */
  readonly secret: Secret
}

/** What there was of a session when the first byte left, or when changes were last looked for. */
interface Departed {
  readonly session: Session | null | undefined
  text?: string
  readonly isEnd: boolean
}

/**
 * A request's session, from its beginning until the response is over. Decides what to store and what to send, as
 * `express-session` does. But it stores before the first byte leaves rather than before the last, and once more if the
 * session changes in between.
 */
export class Visit implements Gatekeeper, Watcher {
  /** What the handler began with its session. */
  readonly calls = new StoreCalls()
  readonly #policy: Policy
  readonly #arrival: Arrival
  readonly #request: SessionHolder
  #originalId = ''
  #originalText = ''
  #storedText: string | undefined
  /** The session that was there at first, and those that it was reloaded as. One that `regenerate` puts in its place is not followed. */
  readonly #followed: Session[] = []
  /** Whether the head had left before the session was there. */
  #isLate = false
  #isTouched = false
  #setCookie: string | undefined
  #wasWritten = false
  #departed: Departed | undefined

  constructor(policy: Policy, arrival: Arrival) {
    this.#policy = policy
    this.#arrival = arrival
    this.#request = arrival.request
  }

  /** Gives the request an empty session. */
  begin(): void {
    this.#policy.store.generate(this.#request)
    const session = adopt(this.#request)
    this.#follow(session, session)
  }

  /** Gives the request the session of a stored record. */
  resume(record: SessionData): void {
    this.#follow(createSession(this.#request, record), record)
    if (!this.#policy.resave) this.#storedText = this.#originalText
  }

  /** Stores nothing: for a response without a body of its own, such as a WebSocket's. */
  decideCookie(): void {
    const { session } = this.#request
    if (session && this.#mustSend(session, textOf(session))) this.#prepareCookie(session)
  }

  beforeHead(isEnd: boolean): Promise<void> | undefined {
    return this.#afterCalls(() => this.#depart(isEnd))
  }

  /** May be called again, when others have changed the headers since. */
  writeHeaders(): void {
    const { response } = this.#arrival
    // Who calls Node's own method sends the head past the gate.
    if (this.#setCookie === undefined || isHeadSent(response)) return
    const present = [response.getHeader('Set-Cookie') || []].flat().map(String)
    // Whoever wrote the cookie anew, as with an attribute more, means it so.
    const [pair] = this.#setCookie.split(';', 1)
    if (this.#wasWritten && present.some((cookie) => cookie.split(';', 1)[0] === pair)) return
    this.#wasWritten = true
    response.setHeader('Set-Cookie', [...present, this.#setCookie])
  }

  beforeEnd(): Promise<void> | undefined {
    const before = this.#departed
    // What changes after `end` was called is not stored.
    if (before ? before.isEnd : !this.#isLate || this.#arrival.response.writableEnded) return undefined
    return this.#afterCalls(() => this.#storeLate(before))
  }

  failed(error: unknown): void {
    this.#arrival.next(error)
  }

  saving(session: Session): void {
    if (this.#followed.includes(session)) this.#storedText = textOf(session)
  }

  reloaded(before: Session, after: Session): void {
    if (this.#followed.includes(before)) this.#followed.push(after)
  }

  #follow(session: Session, source: object): void {
    this.#originalId = this.#request.sessionID
    this.#originalText = textOf(source)
    this.#followed.push(session)
    this.#isLate = this.#arrival.response.headersSent
    this.#request[watcher] = this
  }

  #isChanged(session: Session, text: string): boolean {
    return this.#originalId !== session.id || this.#originalText !== text
  }

  #mustStore(session: Session, text: string): boolean {
    const { sessionID } = this.#request
    if (typeof sessionID !== 'string') return false
    const isNew = this.#storedText === undefined && this.#arrival.broughtId !== sessionID
    if (isNew && !this.#policy.saveUninitialized) return this.#isChanged(session, text)
    return this.#originalId !== session.id || this.#storedText !== text
  }

  #mustSend(session: Session, text: string): boolean {
    const { isSecure, rolling, saveUninitialized } = this.#policy
    const request = this.#request
    if (typeof request.sessionID !== 'string') return false
    if (session.cookie.secure && !isSecure(request)) return false
    if (this.#arrival.broughtId !== request.sessionID) return saveUninitialized || this.#isChanged(session, text)
    return rolling || (session.cookie.expires != null && this.#isChanged(session, text))
  }

  #touch(session: Session): void {
    // As the app knows it: where it assigned something else, the runtime tells by this what is no function.
    const req = { session }
    if (!this.#isTouched) req.session.touch()
    this.#isTouched = true
  }

  /** Undefined when it is done already, as with a store that calls back at once. */
  #stored(start: (done: Callback) => void): Promise<void> | undefined {
    let isDone = false
    let resolveWaiting: (() => void) | undefined
    start((error) => {
      if (error) this.#report(error)
      isDone = true
      resolveWaiting?.()
    })
    return isDone ? undefined : new Promise((resolve) => (resolveWaiting = resolve))
  }

  #save(session: Session): Promise<void> | undefined {
    const req = { session }
    return this.#stored((done) => req.session.save(done))
  }

  /**
   * The response goes out, whatever fails; `next` hears of it when all has left, for Express breaks off what is still on its
   * way. (Half a response never tells its end.)
   */
  #report(error: unknown): void {
    const { response, next } = this.#arrival
    let isTold = false
    const tell = () => {
      if (!isTold) defer(next, error)
      isTold = true
    }
    if (typeof response.once !== 'function' || response.writableFinished || response.destroyed) tell()
    else {
      // At once: a response without a socket of Node's may tell its end within the call, and never that it closed.
      response.once('finish', tell)
      response.once('close', tell)
    }
  }

  #prepareCookie(session: Session): void {
    try {
      this.#touch(session)
      const value = `s:${sign(this.#request.sessionID, this.#arrival.secret)}`
      this.#setCookie = serialize(this.#policy.cookieName, value, (session.cookie as WorkingCookie).data)
    } catch (error) {
      this.#report(error)
    }
  }

  #destroyUnset(): Promise<void> | undefined {
    const { store, unsetDestroys } = this.#policy
    const { sessionID, session } = this.#request
    if (!unsetDestroys || !sessionID || session != null) return undefined
    return this.#stored((done) => store.destroy(sessionID, done))
  }

  /** What is to be stored, and which cookie is sent, shows when what the handler began is over. */
  #afterCalls(next: () => Promise<void> | undefined): Promise<void> | undefined {
    const over = this.calls.whenOver()
    return over ? over.then(next) : next()
  }

  #depart(isEnd: boolean): Promise<void> | undefined {
    const { session } = this.#request
    const departed: Departed = { session, isEnd }
    this.#departed = departed
    if (!session) return this.#destroyUnset()
    const text = textOf(session)
    departed.text = text
    // What the cookie's lifetime was before it is touched counts for a head that leaves before the end.
    let sends = !isEnd && this.#mustSend(session, text)
    this.#touch(session)
    if (isEnd) sends = this.#mustSend(session, text)
    const stores = this.#mustStore(session, text)
    const waiting = stores ? this.#save(session) : this.#touchStored(session)
    // A store may note something in the session: that renews a cookie with a lifetime, and is not to be stored again.
    if (stores && !isEnd) departed.text = textOf(session)
    if (stores && isEnd && !sends && session.cookie.expires != null) sends = this.#mustSend(session, textOf(session))
    if (sends && !this.#isLate) this.#prepareCookie(session)
    return waiting
  }

  /** Moves the expiry of the session that the request brought. */
  #touchStored(session: Session): Promise<void> | undefined {
    const { store, storeTouches } = this.#policy
    const { sessionID } = this.#request
    const { broughtId } = this.#arrival
    if (!storeTouches || broughtId === undefined || broughtId !== sessionID) return undefined
    return this.#stored((done) => store.touch?.(sessionID, session as Session & SessionData, done))
  }

  /** Stores at the end what did not depart with the head. The response goes out, whatever fails. */
  #storeLate(before: Departed | undefined): Promise<void> | undefined {
    try {
      return before ? this.#storeChangesSince(before) : this.#depart(false)
    } catch (error) {
      this.#report(error)
      return undefined
    }
  }

  #storeChangesSince({ session: before, text: textBefore }: Departed): Promise<void> | undefined {
    const { session } = this.#request
    const departed: Departed = { session, isEnd: false }
    this.#departed = departed
    if (!session) return before ? this.#destroyUnset() : undefined
    this.#touch(session)
    const text = textOf(session)
    departed.text = text
    if (session === before && text === textBefore) return undefined
    return this.#mustStore(session, text) ? this.#save(session) : undefined
  }
}

/** The values as JSON text, without the cookie: by this a change is told. */
function textOf(session: object): string {
  return JSON.stringify({ ...session, cookie: undefined })
}
