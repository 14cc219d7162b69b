/**
 * Node's response has no place to wait for a session to be saved before its first byte leaves. The gate is that place:
 * it holds the first call that would send a byte and all that follow, and replays them, as called, once the session is
 * saved. Where that is done at once, or nothing needs saving, nothing is held and each call goes straight through.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { type Gatekeeper, together } from './gate/gatekeeper.js'
import {
  applyHead,
  hasHeadersBeside,
  isHeadSent,
  type NodeResponse,
  onEntry,
  type ResponseOnEntry,
  refuseChunk,
  refuseStatusLine,
  restore,
  setStatusLine,
  statusLineOf,
} from './gate/head.js'
import { callbackIn, HeldCalls, type MethodName } from './gate/held-calls.js'
import {
  type GateExpected,
  gateOf,
  guards,
  type Hooked,
  type HookName,
  hook,
  hookFound,
  type InheritedHooks,
  type Methods,
} from './gate/hooks.js'

export type { Gatekeeper } from './gate/gatekeeper.js'
export { onEntry, type ResponseOnEntry } from './gate/head.js'

/**
 * Puts a gate on a response. May come at any time, also after the head has left, when only `beforeEnd` matters. Where
 * several sessions share a response, their keepers share its gate.
 */
export function gate(response: NodeResponse, entry: ResponseOnEntry, keeper: Gatekeeper): void {
  placeGate(response, entry, keeper).watch()
}

/**
 * Puts a gate on a response before it is known whether there will be anything to save. That cannot wait: in
 * `res.end(view(session))` the method is looked up before the session changes, and would bypass a gate that came then.
 * (Where a response inherits its hooks, the method that is looked up is a hook already.)
 */
export function placeGate(
  response: NodeResponse,
  entry: ResponseOnEntry,
  keeper: Gatekeeper,
  inherited?: InheritedHooks,
): PlacedGate {
  const gated = response as Gated
  const standing = gated[gateOf]
  if (standing && !standing.isExpected) {
    standing.keeper = together(standing.keeper, keeper)
    return standing
  }
  const placed = new Gate(response, entry, keeper, inherited)
  gated[gateOf] = placed
  return placed
}

/** A gate that stands on a response. */
export interface PlacedGate extends Hooked {
  /** Whether the head is sent, or Node is about to: nothing can be added to it any more. */
  readonly isOpen: boolean
  /**
   * There may be something to save: notices from now on what is piped into the response, and a client that leaves. After
   * the end, has it saved by itself.
   */
  watch(): void
}

type Gated = NodeResponse & { [gateOf]?: Gate | GateExpected }

class Gate implements PlacedGate {
  readonly isExpected = false
  #inherited: InheritedHooks | undefined
  readonly response: NodeResponse
  #entry: ResponseOnEntry
  keeper: Gatekeeper
  #state: 'shut' | 'holding' | 'open' | 'failed'
  /** The methods as they were found: Node's, or those of a middleware that came before. */
  #found: Readonly<Methods>
  #held: HeldCalls | undefined
  /** Streams that are piped into the response. */
  sources: Set<Readable> | undefined
  /** Whether `beforeEnd` was called, or need not be. */
  #isLastAsked = false
  #isWatching = false
  #isClosed = false
  /** After a failure: whether somebody has begun to answer it. */
  #isAnswered = false
  /** After a failure: how far the handler has come with the body that will not be sent. */
  #failedBody: 'begun' | 'going on' | 'ended' = 'begun'

  constructor(response: NodeResponse, entry: ResponseOnEntry, keeper: Gatekeeper, inherited?: InheritedHooks) {
    this.response = response
    this.#entry = entry
    this.keeper = keeper
    this.#state = response.headersSent ? 'open' : 'shut'
    const below = inherited?.methodsBelow(response)
    this.#inherited = below && inherited
    this.#found = below ?? hookFound(response)
  }

  get isInherited(): boolean {
    return this.#inherited !== undefined
  }
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  watch(): void {
    if (this.#isLastAsked) process.nextTick(() => void this.keeper.beforeEnd())
    if (this.#isLastAsked || this.#isWatching) return
    this.#isWatching = true
    const { response } = this
    this.#keepHooks()
    response.on?.('pipe', onPipe)
    response.on?.('close', onClose)
    if (isClosed(response)) process.nextTick(() => this.close())
  }

  #keepHooks(): void {
    const { response } = this
    const inherited = this.#inherited
    if (!inherited) return
    if (inherited.methodsBelow(response)) inherited.keep(response)
    else {
      this.#inherited = undefined
      this.#found = hookFound(response)
    }
  }

  /** A method was called, or is replayed. */
  call(name: MethodName, args: readonly unknown[]): unknown {
    if (this.#state === 'shut') args = this.#begin(name, args)
    if (this.#state === 'open' && name === 'end') this.#finish(args)
    if (this.#state === 'open') {
      try {
        return Reflect.apply(this.#found[name] ?? (this.response as never)[name], this.response, args)
      } catch (error) {
        // A head that Node refuses has not left.
        if (name === 'writeHead' && !isHeadSent(this.response)) this.#state = 'shut'
        throw error
      }
    }
    if (this.#held) return this.#held.add(name, args)
    return name === 'write' ? false : this.response
  }

  /** The first byte is about to leave. What Node would refuse is refused before anything is saved for it. */
  #begin(name: MethodName, args: readonly unknown[]): readonly unknown[] {
    const { response, keeper } = this
    refuseChunk(response, name, args)
    if (name === 'writeHead') {
      if (keeper.isSaidBy?.(args[1])) {
        this.#state = 'open'
        return args
      }
      args = applyHead(response, args)
    } else refuseStatusLine(response, statusLineOf(response))
    const saved = this.#save(name === 'end')
    if (saved) void this.#holdUntil(saved, () => keeper.writeHeaders())
    return args
  }

  #save(isEnd: boolean): PromiseLike<void> | undefined {
    try {
      const saved = this.keeper.beforeHead(isEnd)
      if (!saved) {
        this.keeper.writeHeaders()
        this.#state = 'open'
        this.#isLastAsked = isEnd
      }
      return saved
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The end is about to leave. */
  #finish(args: readonly unknown[]): void {
    if (this.response.writableEnded) return
    refuseChunk(this.response, 'end', args)
    const saved = this.#saveChanges()
    if (saved) void this.#holdUntil(saved, ignore)
  }

  /** Values may have changed since the head left. */
  #saveChanges(): PromiseLike<void> | undefined {
    if (this.#isLastAsked) return undefined
    this.#isLastAsked = true
    return this.keeper.beforeEnd()
  }

  async #holdUntil(saved: PromiseLike<void>, proceed: () => void): Promise<void> {
    const head = statusLineOf(this.response)
    const held = new HeldCalls(this.response)
    this.#held = held
    this.#state = 'holding'
    try {
      await saved
      this.#release()
      setStatusLine(this.response, head)
      proceed()
      this.#replay(held)
    } catch (error) {
      this.#release()
      this.#breakOff(error, held)
    }
    if (this.#isClosed) this.close()
  }

  #release(): void {
    this.#held?.release()
    this.#held = undefined
    this.#state = 'open'
  }

  #replay(held: HeldCalls): void {
    let hasRoom: unknown
    for (let call = held.next(); call; call = held.next()) {
      const answer = this.call(call.name, call.args)
      if (call.name === 'write') hasRoom = answer
    }
    if (held.isFull && hasRoom) process.nextTick(emitDrain, this.response)
  }

  close(): void {
    this.#isClosed = true
    if (this.#state === 'open') void this.#saveChanges()
  }

  /** What was held will not be sent. Another answer can be given as long as no byte has left. */
  #breakOff(error: unknown, held: HeldCalls): void {
    const { response, sources = new Set() } = this
    // A handler that writes on, to a response that is over without its knowing, must not end the process.
    response.on?.('error', ignore)
    for (const { args } of held.left) {
      const callback = callbackIn(args)
      if (callback) process.nextTick(callback, error)
    }
    // What is piped goes on no more, once it is unpiped.
    this.#failedBody = held.isEnded || sources.size > 0 ? 'ended' : 'begun'
    // Those that were piped in before it was watched are unpiped by Node, in the end.
    response.on?.('unpipe', destroyAfter)
    for (const source of sources) source.unpipe(response as ServerResponse)
    if (isHeadSent(response)) {
      response.destroy?.(error as Error)
      return
    }
    this.#state = 'failed'
    hook(response, guards)
    try {
      restore(response, this.#entry)
      this.#entry = onEntry(response)
      this.#isAnswered = true
      this.keeper.failed(error)
      this.#isAnswered = isHeadSent(response) || this.#failedBody === 'ended'
    } catch (failure) {
      response.destroy?.(failure as Error)
    }
  }

  /**
   * A body is sent after a failure: by whoever answers it, who began with a head; or by a handler that does not know of
   * it yet, and is not to be heard.
   */
  answer(name: HookName, args: readonly unknown[]): unknown {
    const { response } = this
    this.#isAnswered ||=
      name === 'writeHead' ||
      hasHeadersBeside(response, this.#entry) ||
      (!this.#isOfFailedBody(name) && response.statusCode !== this.#entry.statusCode)
    const isWrite = name === 'write'
    // HTTP/2 would break the answer off for what is written after its end.
    if (!this.#isAnswered || (isWrite && response.writableEnded)) return isWrite ? false : response
    if (!isHeadSent(response)) {
      if (name === 'writeHead') args = applyHead(response, args)
      this.keeper.noteUse?.()
    }
    return Reflect.apply(this.#found[name], response, args)
  }

  /** Whether a call may be the failed handler's, which goes on until its end. */
  #isOfFailedBody(name: HookName): boolean {
    if (this.#failedBody === 'ended') return false
    if (name === 'write') this.#failedBody = 'going on'
    const isOfFailed = this.#failedBody === 'going on'
    if (name === 'end') this.#failedBody = 'ended'
    return isOfFailed
  }
}

/** None at a response of which the gated one was made, by `Object.create`: they share their listeners. */
function gateAt(response: unknown): Gate | undefined {
  return (response as { readonly [gateOf]?: Gate })[gateOf]
}

function onPipe(this: unknown, source: Readable): void {
  const gate = gateAt(this)
  if (!gate) return
  if (!gate.sources) gate.response.on('unpipe', onUnpipe)
  gate.sources ??= new Set()
  gate.sources.add(source)
}

function onUnpipe(this: unknown, source: Readable): void {
  gateAt(this)?.sources?.delete(source)
}

/** Not at once: with its source, `stream.pipeline` would destroy the response. */
function destroyAfter(this: ServerResponse, source: Readable): void {
  // Some, as undici's, tell of it as an error, and nobody listens any more.
  source.on('error', ignore)
  if (isClosed(this)) source.destroy()
  else this.once('close', () => source.destroy())
}

/** Of HTTP/2 the stream alone tells it. */
function isClosed(response: { closed?: boolean; stream?: { closed: boolean } }): boolean | undefined {
  return response.closed ?? response.stream?.closed
}

function onClose(this: unknown): void {
  gateAt(this)?.close()
}

function emitDrain(response: ServerResponse): void {
  if (!response.writableEnded && !response.destroyed) response.emit('drain')
}

function ignore(): void {}
