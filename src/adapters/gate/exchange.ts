import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { directHost } from '../../core/cookie.js'
import type { SojournError } from '../../core/errors.js'
import { opensSocket, type RequestFacts } from '../../core/request-facts.js'
import { finishHead, noteUse, type ResponseHeaders } from '../../core/response-head.js'
import type { Visits } from '../../core/sessions.js'
import type { Visit } from '../../core/visit.js'
import { reportLateFailure } from '../../core/warning.js'
import { type Gatekeeper, onEntry, type PlacedGate, placeGate, type ResponseOnEntry } from '../gate.js'
import type { NodeResponse } from './head.js'
import type { InheritedHooks } from './hooks.js'
import { ServerResponse } from './node-http.js'

/** What a framework says of a connection, which knows whether to trust a proxy. */
export interface Connection {
  readonly secure?: boolean | undefined
  readonly ip?: string | undefined
}

/** A request of Node, as a framework may have extended it. */
export type NodeRequest = (IncomingMessage | Http2ServerRequest) & Connection

/** One request and its response in Node, as the engine and the gate ask about them. */
export class Exchange implements RequestFacts, Gatekeeper, ResponseHeaders {
  readonly request: NodeRequest
  readonly response: NodeResponse
  readonly visits: Visits
  readonly entry: ResponseOnEntry
  /** The hooks that the response inherits, if it does. */
  declare readonly inherited?: InheritedHooks
  /** That of other sessions, which the request had before. */
  declare around?: Exchange
  /** Called when the session cannot be saved, with the response as it was on entry. */
  readonly failed: (error: unknown) => void
  readonly #connection: Connection
  /** The visit, once the session was read. */
  visit: Visit | undefined
  #gate: PlacedGate | undefined
  /** Nothing is saved any more, nor said of the session: the response is to answer an error. */
  isGivenUp = false
  #secure: boolean | undefined

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    visits: Visits,
    failed: (error: unknown) => void,
    connection: Connection = request,
  ) {
    this.request = request
    this.response = response
    this.visits = visits
    this.entry = onEntry(response)
    this.failed = failed
    this.#connection = connection
    // Of HTTP/2, what has ended tells nothing any more.
    if (request.httpVersionMajor > 1) this.#secure = this.secure
  }

  /** The session was read, and the handler is about to run. */
  begin(visit: Visit): void {
    this.visit = visit
    this.placeGate()
    if (visit.needsCommit) this.mayChange()
  }

  /** Somebody asks for the session. */
  ask(): Visit {
    this.visit ??= this.visits.openEmpty(this)
    this.placeGate()
    return this.visit
  }

  placeGate(): PlacedGate {
    const { visit } = this
    if (!this.#gate && visit && this.#isForSocket) {
      visit.isConnection = true
      // A renewal needs a response, and the note of the last one would undo, hours later, what requests have written meanwhile.
      visit.planNotesAgain(visit.takeIntentions())
    }
    this.#gate ??= placeGate(this.response, this.entry, this, this.inherited)
    return this.#gate
  }

  get cookie(): string | undefined {
    return this.request.headers.cookie
  }
  get method(): string | undefined {
    return this.request.method
  }
  header(name: string): string | undefined {
    const { headers } = this.request
    // HTTP/2 has a name of its own for the host.
    const value = headers[name] ?? (name === 'host' ? headers[':authority'] : undefined)
    return value as string | undefined
  }
  get address(): string | undefined {
    return this.#connection.ip ?? this.request.socket.remoteAddress
  }
  /** What a framework says, which knows whether to trust a proxy; else whether this very connection is TLS. */
  get secure(): boolean {
    return this.#secure ?? this.#connection.secure ?? (this.request.socket as Partial<TLSSocket>).encrypted === true
  }
  get host(): string | undefined {
    return directHost(this)
  }
  get headersSent(): boolean {
    return this.response.headersSent || this.#gate?.isOpen === true || this.#isForSocket
  }
  /** With express-ws and @fastify/websocket: the handshake goes past the response, so that no cookie is ever sent. */
  get #isForSocket(): boolean {
    const { upgrade }: NodeRequest & { upgrade?: boolean } = this.request
    // A server that takes no upgrades answers as if none were asked for; Socket.IO has a response of its own.
    return upgrade === true && opensSocket(this) && this.response instanceof ServerResponse
  }
  get headIsOut(): boolean {
    return this.#isForSocket || (this.#gate ? this.#gate.isOpen : this.response.headersSent)
  }
  mayChange(): void {
    this.#gate?.watch()
  }

  isSaidBy(headers: unknown): boolean {
    const { visit } = this
    if (!visit || visit.needsCommit) return false
    let isSaid = true
    if (visit.wasUsed) {
      noteUse(visit, {
        get: (name) => Object(headers)[name.toLowerCase()]?.toString(),
        set() {
          isSaid = false
        },
      })
    }
    return isSaid
  }
  beforeHead(): PromiseLike<void> | undefined {
    if ('on' in this.response) return this.commit()
    // Half a response, as Engine.IO shows its middleware, cannot be held: its socket is open a moment later.
    void this.beforeEnd()
    return undefined
  }
  writeHeaders(): void {
    if (this.isGivenUp) this.noteUse()
    else if (this.visit) finishHead(this.visit, this)
  }
  unread(error: unknown): void {
    const visit = this.ask()
    visit.outage = error as SojournError
    visit.wasUsed = true
  }
  /** What answers a failure depends on the session no less. */
  noteUse(): void {
    if (this.visit) noteUse(this.visit, this)
  }
  /** The response is on its way: what fails now can only be reported. */
  beforeEnd(): PromiseLike<void> | undefined {
    return this.commit()?.then(undefined, reportLateFailure)
  }
  /** A failure is always told by a promise. */
  commit(): PromiseLike<void> | undefined {
    const { visit } = this
    if (!visit || this.isGivenUp || visit.isFailureAnswered(this.response.statusCode)) return undefined
    try {
      // Nothing where it was done at once.
      return this.visits.commit(visit) as PromiseLike<void> | undefined
    } catch (error) {
      return Promise.reject(error)
    }
  }

  get(name: string): string | undefined {
    return this.response.getHeader(name)?.toString()
  }
  set(name: string, value: string): void {
    this.response.setHeader(name, value)
  }
  append(name: string, value: string): void {
    const present = this.response.getHeader(name) ?? []
    // Not appendHeader: it would change the very array that a handler gave, which may serve other responses too.
    this.response.setHeader(name, [...(Array.isArray(present) ? present : [String(present)]), value])
  }
}
