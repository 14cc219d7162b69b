import { cover, coveringMethods, heldOf } from './covered-methods.js'
import { responsePrototype } from './express-prototypes.js'
import { carriesChunk, isChunk, type NodeResponse, refuseChunk, strayResponse } from './head.js'
import { type HeldConnection, holdConnection, letGo } from './held-connection.js'
import { ServerResponse } from './node-http.js'

/** A method that sends, or that decides when bytes leave. */
export type MethodName = 'writeHead' | 'write' | 'end' | 'flushHeaders' | 'cork' | 'uncork' | 'flush'

export interface Call {
  readonly name: MethodName
  readonly args: readonly unknown[]
}

/** Calls of a response that wait for their turn. Until they are released, the response reads as if they had been made. */
export class HeldCalls {
  /** Whether a write returned false, so that its caller waits for `drain`. */
  isFull = false
  /** Whether the end was called. */
  isEnded = false
  /** How much of a body was held, in the unit in which Node counts what it buffers. */
  length = 0
  /** In the order in which they came. There may be very many: a page that is written line by line, say. */
  readonly #calls: Call[] = []
  #replayed = 0
  readonly #response: Covered
  #connection: HeldConnection | null = null

  constructor(response: NodeResponse) {
    this.#response = coverResponse(response)
    this.#response[heldOf] = this
  }

  /** From now on the response reads as it is. */
  release(): void {
    this.#response[heldOf] = undefined
    letGo(this.#connection)
  }

  /** Those that are still to be replayed. */
  get left(): readonly Call[] {
    return this.#calls.slice(this.#replayed)
  }

  /** The next to be replayed. */
  next(): Call | undefined {
    return this.#calls[this.#replayed++]
  }

  /** Takes a call, unless Node would throw, and returns what the call returns. */
  add(name: MethodName, args: readonly unknown[]): unknown {
    if (name === 'writeHead' && this.#calls.length > 0) refuse(this, [200], 'writeHead')
    const isTooLate = this.isEnded && carriesChunk(name, args)
    if (!isTooLate || name === 'write') refuseChunk(this.#response, name, args)
    if (isTooLate) tellWriteAfterEnd(this.#response, args)
    else this.#hold({ name, args })
    if (name !== 'write') return this.#response
    this.isFull ||= this.length >= this.#response.writableHighWaterMark
    return !this.isFull && !isTooLate
  }

  #hold(call: Call): void {
    const [chunk] = call.args
    this.#calls.push(call)
    if (isChunk(chunk)) this.length += chunk.length
    if (call.name !== 'end') return
    this.isEnded = true
    this.#connection = holdConnection(this.#response)
  }
}

/** The callback that a call was given. */
export function callbackIn(args: readonly unknown[]): ((error: unknown) => void) | undefined {
  return args.find((arg) => typeof arg === 'function') as ((error: unknown) => void) | undefined
}

/** Marks what a response inherits the properties of the facade from. */
const showsHeld = Symbol('sojourn.shows-held')

type Covered = NodeResponse & { [heldOf]?: HeldCalls | undefined }

/**
 * Lays the facade over a response, where it stays and shows what is underneath once nothing is held. To lay properties of
 * each response's own over it, or to change its prototype, would make it an object of another kind, at many times the cost.
 */
function coverResponse(response: Covered): Covered {
  if (!cover(response, methods) || showsHeld in response) return response
  for (const [name, property] of ownProperties) {
    // A mock of a response sets its own, and goes on doing so.
    if (!Object.hasOwn(response, name)) Object.defineProperty(response, name, property)
  }
  return response
}

/** Lays the properties of the facade over what all responses of Express inherit from, if this is one of them. */
export function coverResponses(request: object, response: object): void {
  const prototype = showsHeld in response ? null : responsePrototype(request, response)
  if (prototype) coverPrototype(prototype)
}

/** The same, over what itself inherits from Node's. */
export function coverPrototype(prototype: object): void {
  const properties = propertiesOver(ServerResponse.prototype)
  // Those of another copy of Sojourn, say, show nothing of ours: then each response that is held gets its own.
  if (properties.some(([name]) => Object.hasOwn(prototype, name))) return
  for (const [name, property] of properties) Object.defineProperty(prototype, name, property)
  Object.defineProperty(prototype, showsHeld, { value: true })
}

/** What methods do while calls are held: the head has left and cannot be changed. */
const methods = coveringMethods<HeldCalls>({
  cork: hold,
  uncork: hold,
  // That of compression: what was written before is to leave.
  flush: hold,
  setHeader: refuse,
  setHeaders: refuse,
  appendHeader: refuse,
  removeHeader: refuse,
  // compression 1.7 asks for the head again with each write, until it sees Node's own mark of it.
  _implicitHeader: () => {},
})

function hold(held: HeldCalls, args: readonly unknown[], name: MethodName): void {
  held.add(name, args)
}

/**
 * What properties show while calls are held. `finished` stays as it is, for by it the server tells which connections it
 * may close.
 */
const shownWhileHeld = {
  headersSent: () => true,
  // A socket that is none, as on AWS Lambda: whoever shows it reads the body as soon as the response has ended.
  writableEnded: (held: HeldCalls, _ended: unknown, { socket }: NodeResponse) =>
    held.isEnded && (!socket || 'emit' in socket),
  writableNeedDrain: (held: HeldCalls) => held.isFull && !held.isEnded,
  writableLength: (held: HeldCalls, length: unknown) => held.length + Number(length ?? 0),
}

/** `below` is what the properties are laid over: of a response's own, what the response inherits from. */
function propertiesOver(below?: object) {
  return Object.entries(shownWhileHeld).map(([name, show]) => {
    const getter = below && getterOf(below, name)
    function get(this: Covered): unknown {
      const held = this[heldOf]
      const underneath = getter ? getter.call(this) : Reflect.get(Object.getPrototypeOf(this), name, this)
      return held ? show(held, underneath, this) : underneath
    }
    return [name, { get, configurable: true }] as const
  })
}

/** Asked on every request, and by its own function in a fraction of the time of a search. */
function getterOf(object: object, name: string): (() => unknown) | undefined {
  const property = Object.getOwnPropertyDescriptor(object, name)
  return property ? property.get : getterOf(Object.getPrototypeOf(object), name)
}

const ownProperties = propertiesOver()

type HeadMethod = 'writeHead' | 'setHeader' | 'setHeaders' | 'appendHeader' | 'removeHeader'

/** Throws what Node throws once the head has left. */
function refuse(_held: HeldCalls, args: readonly unknown[], name: HeadMethod): void {
  const sent = strayResponse().writeHead(200)
  Reflect.apply(sent[name], sent, args)
}

/** As Node does, but that it ends no process where nobody listens: the response itself will be whole. */
function tellWriteAfterEnd(response: NodeResponse, args: readonly unknown[]): void {
  const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  process.nextTick(() => {
    callbackIn(args)?.(error)
    if (response.listenerCount?.('error')) response.emit('error', error)
  })
}
