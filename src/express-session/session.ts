import type { Cookie } from './cookie.js'
import type { SessionData } from './session-data.js'

// biome-ignore lint/suspicious/noExplicitAny: handlers written for express-session read members of the error.
export type Callback = (error?: any) => void

/**
 * The session of one visitor, at `req.session`. Its other properties are the app's values. A method that is given no
 * callback returns a promise; it does not end the process when it is rejected and nobody looks.
 */
export interface Session {
  /** A secret: whoever knows it, and the app's secret, is the visitor. */
  id: string
  cookie: Cookie
  /** Ends this session and starts an empty one with another id, at `req.session`. */
  regenerate(callback: Callback): this
  regenerate(): Promise<void>
  /** Ends this session and removes `req.session`. */
  destroy(callback: Callback): this
  destroy(): Promise<void>
  /** Puts what is stored now at `req.session`. Fails when nothing is. */
  reload(callback: Callback): this
  reload(): Promise<void>
  /** Stores the session now. It happens by itself before the response leaves. */
  save(callback: Callback): this
  save(): Promise<void>
  save(callback: Callback | undefined): this | Promise<void>
  /** Starts the cookie's lifetime anew. It happens by itself before the response leaves. */
  touch(): this
  /** The same as `touch`. */
  resetMaxAge(): this
}

/** Where a request keeps whoever has to know what its session does. */
export const watcher: unique symbol = Symbol('sojourn.express-session')

export interface Watcher {
  saving(session: Session): void
  reloaded(before: Session, after: Session): void
  /** Through which the store is called, so that the response waits although its handler may not. */
  readonly calls: { begin(call: StoreCall, done: Callback): void }
}

type StoreCall = (done: Callback) => unknown

/** What a session needs of its request. */
export interface SessionHolder {
  /** @internal */
  [watcher]?: Watcher
  sessionID: string
  session?: Session | null | undefined
  sessionStore: {
    get(id: string, callback: (error: unknown, record?: SessionData | null) => void): unknown
    set(id: string, session: SessionData, callback: Callback): unknown
    destroy(id: string, callback: Callback): unknown
    regenerate(request: SessionHolder, callback: Callback): unknown
    createSession(request: SessionHolder, record: SessionData): unknown
  }
}

interface HeldSession extends Session {
  readonly req: SessionHolder
}

export interface SessionConstructor {
  /** A session for `request.sessionID`, with the values of `values` whose names are not those of a method. */
  new (request: SessionHolder, values?: object | null): Session
  prototype: Session
}

export const Session = {
  // Named by its property, which the build leaves alone: of functions of one name it renames all but one.
  Session: function (this: Record<string, unknown>, request: SessionHolder, values?: object | null) {
    Object.defineProperty(this, 'req', { value: request })
    Object.defineProperty(this, 'id', { value: request.sessionID })
    if (typeof values !== 'object' || values === null) return
    for (const name in values) {
      if (!(name in this)) this[name] = values[name as keyof typeof values]
    }
  },
}.Session as unknown as SessionConstructor

const methods: { [name: string]: (this: HeldSession, callback?: Callback) => HeldSession | Promise<void> } = {
  touch() {
    return this.resetMaxAge()
  },

  resetMaxAge() {
    this.cookie.maxAge = this.cookie.originalMaxAge as number
    return this
  },

  save: promisedWithoutCallback(function save(done) {
    this.req[watcher]?.saving(this)
    begin(this.req, (told) => this.req.sessionStore.set(this.id, this as HeldSession & SessionData, told), done)
  }),

  reload: promisedWithoutCallback(function reload(done) {
    const request = this.req
    request.sessionStore.get(this.id, (error, record) => {
      if (error) return done(error)
      if (!record) return done(new Error('failed to load session'))
      try {
        const reloaded = createSession(request, record)
        request[watcher]?.reloaded(this, reloaded)
      } catch (failure) {
        return done(failure)
      }
      done()
    })
  }),

  destroy: promisedWithoutCallback(function destroy(done) {
    delete this.req.session
    begin(this.req, (told) => this.req.sessionStore.destroy(this.id, told), done)
  }),

  regenerate: promisedWithoutCallback(function regenerate(done) {
    begin(this.req, (told) => this.req.sessionStore.regenerate(this.req, told), done)
  }),
}

for (const [name, value] of Object.entries(methods)) {
  Object.defineProperty(Session.prototype, name, { configurable: true, enumerable: false, writable: true, value })
}

function begin(request: SessionHolder, call: StoreCall, done: Callback): void {
  if (request[watcher]) request[watcher].calls.begin(call, done)
  else call(done)
}

function promisedWithoutCallback(method: (this: HeldSession, done: Callback) => void) {
  return function (this: HeldSession, callback?: Callback): HeldSession | Promise<void> {
    if (callback) {
      method.call(this, callback)
      return this
    }
    const promise = new Promise<void>((resolve, reject) => {
      method.call(this, (error) => (error ? reject(error) : resolve()))
    })
    // Handlers written for express-session call `save()` and never look back. That must not end the process.
    promise.catch(() => {})
    return promise
  }
}

/** Puts the session of a stored record at `request.session`, by the store's own `createSession`. */
export function createSession(request: SessionHolder, record: SessionData): Session {
  request.sessionStore.createSession(request, record)
  return adopt(request)
}

/** Should the store have made a session of express-session's, it is continued as one of ours. */
export function adopt(request: SessionHolder): Session {
  if (!(request.session instanceof Session)) request.session = new Session(request, request.session)
  return request.session
}
