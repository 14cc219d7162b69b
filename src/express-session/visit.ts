import type { ServerResponse } from 'node:http'
import type { Gatekeeper } from '../adapters/gate.js'
import { serialize, type WorkingCookie } from './cookie.js'
import { type Callback, createSession, type Session, type SessionHolder, watcher } from './session.js'
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

/** A request's session, from its beginning until the response is over. */
export interface Visit extends Gatekeeper {
  /** Gives the request an empty session. */
  begin(): void
  /** Gives the request the session of a stored record. */
  resume(record: SessionData): void
  /** Sends the cookie and stores nothing: for a response without a body of its own, such as a WebSocket's. */
  sendCookie(): void
}

/**
 * Decides what to store and what to send, as `express-session` does. But it stores before the first byte leaves rather than
 * before the last, and once more if the session changes in between.
 */
export function visit(policy: Policy, { request, response, next, broughtId, secret }: Arrival): Visit {
  const { store } = policy
  let originalId: string
  let originalText: string
  let storedText: string | undefined
  let touched = false
  let setCookie: string | undefined
  /** What was there when the first byte left, or changes were last looked for. */
  let departed: { session: Session | null | undefined; text?: string; isEnd: boolean } | undefined
  /** What the handler began with its session. */
  const calls = new StoreCalls()

  /** The session that was there at first. One that `regenerate` puts in its place is not followed. */
  let followed: Session

  function follow(session: Session, source: object): void {
    originalId = request.sessionID
    originalText = textOf(source)
    followed = session
    request[watcher] = { saving, reloaded, calls }
  }

  function saving(session: Session): void {
    if (session === followed) storedText = textOf(session)
  }

  function reloaded(before: Session, after: Session): void {
    if (before === followed) followed = after
  }

  function isChanged(session: Session, text: string): boolean {
    return originalId !== session.id || originalText !== text
  }

  function mustStore(session: Session, text: string): boolean {
    if (typeof request.sessionID !== 'string') return false
    const isNew = storedText === undefined && broughtId !== request.sessionID
    if (isNew && !policy.saveUninitialized) return isChanged(session, text)
    return originalId !== session.id || storedText !== text
  }

  function mustSend(session: Session, text: string): boolean {
    if (typeof request.sessionID !== 'string') return false
    if (session.cookie.secure && !policy.isSecure(request)) return false
    if (broughtId !== request.sessionID) return policy.saveUninitialized || isChanged(session, text)
    return policy.rolling || (session.cookie.expires != null && isChanged(session, text))
  }

  function touch(session: Session): void {
    if (!touched) session.touch()
    touched = true
  }

  /** Undefined when it is done already, as with a store that calls back at once. */
  function stored(start: (done: Callback) => void): Promise<void> | undefined {
    let isDone = false
    let resolveWaiting: (() => void) | undefined
    start((error) => {
      if (error) report(error)
      isDone = true
      resolveWaiting?.()
    })
    return isDone ? undefined : new Promise((resolve) => (resolveWaiting = resolve))
  }

  /** The response goes out, whatever fails; `next` hears of it afterwards. */
  function report(error: unknown): void {
    setImmediate(() => {
      if (response.writableEnded || response.destroyed) next(error)
      else response.once('close', () => next(error))
    })
  }

  function prepareCookie(session: Session): void {
    try {
      touch(session)
      setCookie = serialize(
        policy.cookieName,
        `s:${sign(request.sessionID, secret)}`,
        (session.cookie as WorkingCookie).data,
      )
    } catch (error) {
      report(error)
    }
  }

  function destroyUnset(): Promise<void> | undefined {
    if (!policy.unsetDestroys || !request.sessionID || request.session != null) return undefined
    return stored((done) => store.destroy(request.sessionID, done))
  }

  /** What is to be stored, and which cookie is sent, shows when what the handler began is over. */
  function afterCalls(next: () => Promise<void> | undefined): Promise<void> | undefined {
    const over = calls.whenOver()
    return over ? over.then(next) : next()
  }

  function depart(isEnd: boolean): Promise<void> | undefined {
    const { session } = request
    departed = { session, isEnd }
    if (!session) return destroyUnset()
    const text = textOf(session)
    departed.text = text
    // What the cookie's lifetime was before it is touched counts for a head that leaves before the end.
    let sends = !isEnd && mustSend(session, text)
    touch(session)
    if (isEnd) sends = mustSend(session, text)
    let waiting: Promise<void> | undefined
    if (mustStore(session, text)) waiting = stored((done) => session.save(done))
    else if (policy.storeTouches && broughtId !== undefined && broughtId === request.sessionID) {
      waiting = stored((done) => store.touch?.(request.sessionID, session as Session & SessionData, done))
    }
    if (sends) prepareCookie(session)
    return waiting
  }

  function storeChangesSince({ session: before, text: textBefore }: NonNullable<typeof departed>) {
    const { session } = request
    departed = { session, isEnd: false }
    try {
      if (!session) return before ? destroyUnset() : undefined
      touch(session)
      const text = textOf(session)
      departed.text = text
      if (session === before && text === textBefore) return undefined
      return mustStore(session, text) ? stored((done) => session.save(done)) : undefined
    } catch (error) {
      report(error)
      return undefined
    }
  }

  return {
    begin() {
      store.generate(request)
      follow(request.session as Session, request.session as Session)
    },

    resume(record) {
      follow(createSession(request, record), record)
      if (!policy.resave) storedText = originalText
    },

    beforeHead: (isEnd) => afterCalls(() => depart(isEnd)),

    writeHeaders() {
      if (setCookie === undefined) return
      const present = response.getHeader('Set-Cookie') || []
      response.setHeader('Set-Cookie', (Array.isArray(present) ? present : [String(present)]).concat(setCookie))
    },

    beforeEnd() {
      // What changes after `end` was called is not stored.
      const before = departed
      return before && !before.isEnd ? afterCalls(() => storeChangesSince(before)) : undefined
    },

    failed: next,

    sendCookie() {
      const { session } = request
      if (session && mustSend(session, textOf(session))) prepareCookie(session)
      this.writeHeaders()
    },
  }
}

/** The values as JSON text, without the cookie: by this a change is told. */
function textOf(session: object): string {
  return JSON.stringify({ ...session, cookie: undefined })
}
