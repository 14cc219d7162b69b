import { commit } from './commit.js'
import { isSojournError, SojournError } from './errors.js'
import { readAgain, sessionEnded } from './read-again.js'
import type { Callback, Session, SessionData, SessionFacts, SessionVerbs } from './session.js'
import { show } from './show.js'
import { type SignInOptions, signInName, signInOf } from './sign-in.js'
import { changeValue, takeValue } from './single-value.js'
import { isPortable, refuseUnstorable, type Values } from './values.js'
import { callBack, heard, Watched } from './verb-results.js'
import type { Visit } from './visit.js'

/** Shared by the copies of Sojourn in a process, such as a bundle of ESM and CommonJS has. */
export const visitOf = Symbol.for('sojourn.visit.1')
const targetOf = Symbol('sojourn.target')
const inspect = Symbol.for('nodejs.util.inspect.custom')
const maxNameBytes = 128

/**
 * The target of the proxy that handlers hold. Facts and verbs stand on its prototype; for every other name the proxy's
 * handler answers from the values.
 */
class SessionObject implements SessionFacts, SessionVerbs<object> {
  declare readonly [visitOf]: Visit
  declare readonly [targetOf]: SessionObject
  /** The values as they were, for an object that a `regenerate` with a callback has put out of use. */
  past: Values | null = null

  get id(): string {
    return this[visitOf].id
  }
  get isNew(): boolean {
    return this[visitOf].held === null
  }
  get userId(): string | null {
    return this[visitOf].userId
  }
  get createdAt(): number {
    return this[visitOf].createdAt
  }
  get expiresAt(): number {
    return this[visitOf].expiresAt
  }
  get authenticatedAt(): number | null {
    return this[visitOf].authenticatedAt
  }

  signIn(userId: string | number | bigint, options?: SignInOptions): void {
    this[visitOf].signIn(userId, options)
  }
  signOut(callback?: Callback): void {
    act(this, (visit) => visit.destroy(true), callback)
  }
  renew(callback?: Callback): void {
    act(this, (visit) => visit.renew(), callback)
  }
  regenerate(callback?: Callback): void {
    const { values } = this[visitOf]
    // Libraries written for `express-session` copy values from the object they held to the one on the request now. So
    // the old object keeps what it had, to be read, and a new one takes its place.
    const putOutOfUse = (visit: Visit) => {
      this[targetOf].past = values
      visit.session = null
      callBack(Promise.resolve(), callback)
    }
    act(this, (visit) => visit.regenerate(), callback, putOutOfUse)
  }
  destroy(callback?: Callback): void {
    act(this, (visit) => visit.destroy(false), callback)
  }
  touch(): void {
    this[visitOf].touch()
  }
  save(callback?: Callback): Promise<boolean> {
    const visit = this[visitOf]
    visit.saveIsAwaited = Boolean(callback)
    return new Watched(callBack(visit.engine.track(saved(visit)), callback), awaitedBy(visit))
  }
  reload(callback?: Callback): Promise<void> {
    const visit = this[visitOf]
    return heard('reload', callBack(visit.engine.track(reloaded(visit)), callback), () => {}, Boolean(callback))
  }
  update(name: string, change: (value: never) => unknown): Promise<never> {
    return heardOf(this, 'update', (visit) => updated(visit, name, change as (value: unknown) => unknown))
  }
  take(name: string): Promise<never> {
    return heardOf(this, 'take', (visit) => taken(visit, name))
  }

  /** Node shows a proxy's target; a reader of a log wants to see the values, and what is wrong with one. */
  [inspect](): object {
    return Object.fromEntries(Reflect.ownKeys(this).map((name) => [name, shown(this, name)]))
  }
}

/** Libraries that pass a callback do so from callbacks of their own, where nobody would catch what is thrown. */
function act(
  session: SessionObject,
  verb: (visit: Visit) => void,
  callback: Callback | undefined,
  andThen: (visit: Visit) => unknown = () => session.save(callback),
): void {
  try {
    verb(session[visitOf])
    if (callback) void andThen(session[visitOf])
  } catch (error) {
    if (typeof callback !== 'function') throw error
    callBack(Promise.reject(error), callback)
  }
}

function heardOf(session: SessionObject, verb: string, work: (visit: Visit) => Promise<unknown>): Promise<never> {
  const visit = session[visitOf]
  return heard(verb, visit.engine.track(work(visit)), awaitedBy(visit)) as Promise<never>
}

function shown(session: object, name: string | symbol): unknown {
  try {
    return Reflect.get(session, name)
  } catch (error) {
    return isSojournError(error) ? Symbol(error.code) : error
  }
}

const reserved: ReadonlySet<string | symbol> = new Set(
  Object.getOwnPropertyNames(SessionObject.prototype).filter((name) => name !== 'constructor'),
)

function awaitedBy(visit: Visit): () => void {
  return () => {
    visit.saveIsAwaited = true
  }
}

async function saved(visit: Visit): Promise<boolean> {
  await commit(visit)
  return !visit.lost && Boolean(visit.form)
}

async function reloaded(visit: Visit): Promise<void> {
  visit.wasUsed = true
  if (visit.outage) throw visit.outage
  await readAgain(visit, (record) => {
    if (visit.holdAgain(record) || !visit.held) throw sessionEnded()
    visit.planNotesAgain(visit.takeIntentions())
    visit.hold(visit.held, visit.token)
    // That it is to prove itself again may not be stored yet.
    const noted = visit.intentions.ownValues[signInName]
    if (noted !== undefined) visit.signedIn = signInOf({ [signInName]: noted })
  })
}

async function updated(visit: Visit, name: string, change: (value: unknown) => unknown): Promise<unknown> {
  checkName(name)
  if (typeof change !== 'function') {
    throw new SojournError('invalid_value', `session.update() needs a function of the value; got ${show(change)}`)
  }
  return changeValue(visit, name, change)
}

async function taken(visit: Visit, name: string): Promise<unknown> {
  checkName(name)
  return takeValue(visit, name)
}

/** Turns what a handler does with its session into questions to the visit. */
class SessionHandler implements ProxyHandler<SessionObject> {
  /** Private, since Node can be told to print the handler of a proxy: it leads to the token. */
  readonly #visit: Visit
  constructor(visit: Visit) {
    this.#visit = visit
  }

  #valuesOf({ past }: SessionObject): Values {
    return past ?? this.#visit.values
  }

  get(target: SessionObject, name: string | symbol, receiver: unknown): unknown {
    if (name === visitOf) return this.#visit
    if (name === targetOf) return target
    if (typeof name === 'symbol') return Reflect.get(target, name, receiver)
    // A promise asks whatever it is resolved with for this.
    if (name !== 'then') this.#visit.wasUsed = true
    if (reserved.has(name)) return Reflect.get(SessionObject.prototype, name, receiver)
    if (name.startsWith('__')) return Reflect.get(Object.prototype, name, receiver)
    const values = this.#valuesOf(target)
    const value = values.get(name)
    if (typeof value === 'object' && value !== null) this.#visit.mayChange()
    if (value !== undefined || values.has(name)) return value
    return Reflect.get(Object.prototype, name, receiver)
  }

  set(_target: SessionObject, name: string | symbol, value: unknown): boolean {
    checkName(name)
    this.#visit.intend(`Setting session.${name}`, this.#visit.lacksCookie)
    if (value !== undefined) refuseUnstorable(name, value)
    this.#visit.values.set(name, value)
    return true
  }

  has(target: SessionObject, name: string | symbol): boolean {
    this.#visit.wasUsed = true
    return isValueName(name) && this.#valuesOf(target).has(name) ? true : Reflect.has(SessionObject.prototype, name)
  }

  deleteProperty(_target: SessionObject, name: string | symbol): boolean {
    // `delete session.userId` signs out elsewhere; here it would do nothing without a word.
    if (reserved.has(name)) refuseReserved(name as string)
    // Of what there is nothing is known while the store is out.
    if (!isValueName(name) || !(this.#visit.outage || this.#visit.values.has(name))) return true
    this.#visit.intend(`Deleting session[${show(name)}]`)
    this.#visit.values.delete(name)
    return true
  }

  ownKeys(target: SessionObject): string[] {
    this.#visit.wasUsed = true
    return this.#valuesOf(target).names().filter(isValueName)
  }

  getOwnPropertyDescriptor(target: SessionObject, name: string | symbol): PropertyDescriptor | undefined {
    if (!isValueName(name) || !this.#valuesOf(target).has(name)) return undefined
    return { value: this.get(target, name, target), writable: true, enumerable: true, configurable: true }
  }

  defineProperty(target: SessionObject, name: string | symbol, descriptor: PropertyDescriptor): boolean {
    return 'value' in descriptor && this.set(target, name, descriptor.value)
  }

  getPrototypeOf(): object {
    return Object.prototype
  }
  setPrototypeOf(): boolean {
    return false
  }
  preventExtensions(): boolean {
    return false
  }
}

/** The object that handlers hold for a visit. */
export function sessionOf<Data = SessionData>(visit: Visit): Session<Data> {
  visit.session ??= new Proxy(new SessionObject(), new SessionHandler(visit))
  return visit.session as Session<Data>
}

/** The visit behind a session object. Throws `invalid_value` for anything else. */
export function visitBehind(session: object): Visit {
  const visit = (session as Partial<SessionObject> | null)?.[visitOf]
  if (visit) return visit
  throw new SojournError('invalid_value', `Expected a session of Sojourn; got ${show(session)}`)
}

function isValueName(name: string | symbol): name is string {
  return typeof name === 'string' && !reserved.has(name) && !name.startsWith('__')
}

/** What to do instead of assigning to a name that the session uses. */
const instead: { readonly [name: string]: string } = {
  userId: 'call session.signIn(userId), and session.destroy() to sign out',
  authenticatedAt: 'call session.signIn(userId)',
  expiresAt: 'set lifetime in the options, or call session.touch()',
  id: 'call session.regenerate() for a new one',
}

function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && !isValueName(name)) refuseReserved(name)
  if (isPortable(name, maxNameBytes)) return
  throw new SojournError(
    'invalid_value',
    `The name of a session value must be text of 1 to ${maxNameBytes} bytes without control characters; got ${show(name)}`,
  )
}

function refuseReserved(name: string): never {
  const fix = Object.hasOwn(instead, name) ? instead[name] : "choose another name, without '__' before it"
  throw new SojournError('reserved_name', `session[${show(name)}] belongs to the session: ${fix}`)
}

/** What happens when a handler assigns the session itself. */
export function refuseAssignment(): never {
  throw new SojournError(
    'reserved_name',
    'The session cannot be assigned: call session.destroy() to end it, or assign its properties',
  )
}
