import { directHost } from './cookie.js'
import { opensSocket, type RequestFacts } from './request-facts.js'
import { finishHead } from './response-head.js'
import type { Visits } from './sessions.js'
import type { Visit } from './visit.js'
import { reportLateFailure } from './warning.js'

/** What is known of a request beside itself. */
export interface Surroundings {
  readonly secure?: boolean | undefined
  /** Asked once at most, when it matters: a test, say, has no connection that could tell. */
  address?(): string | undefined
  /** What keeps work of the request alive after its response, where the runtime would end it. */
  context?(): ExecutionContext | undefined
}

/** As Workers hand it over, Next.js and others. */
export interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

/** One request and its response in the fetch standard, as the engine asks about them. */
export class FetchExchange implements RequestFacts {
  readonly request: Request
  readonly visits: Visits
  readonly secure: boolean
  readonly #headers: Headers
  #address: (() => string | undefined) | undefined
  readonly #context: (() => ExecutionContext | undefined) | undefined
  headersSent = false
  #visit: Visit | undefined
  #isSaving = false

  constructor(request: Request, visits: Visits, { secure, address, context }: Surroundings) {
    this.request = request
    // Deno lets nobody read its own any more once the connection has become a WebSocket.
    this.#headers = request.headers.has('upgrade') ? new Headers(request.headers) : request.headers
    this.visits = visits
    this.secure = secure ?? request.url.startsWith('https:')
    this.#address = address
    this.#context = context
  }

  get headIsOut(): boolean {
    return this.headersSent
  }
  get cookie(): string | undefined {
    return this.header('cookie')
  }
  get address(): string | undefined {
    const address = this.#address?.()
    this.#address = () => address
    return address
  }
  get method(): string {
    return this.request.method
  }
  header(name: string): string | undefined {
    return this.#headers.get(name) ?? (name === 'host' ? new URL(this.request.url).host : undefined)
  }
  /** Only over plain HTTP does it matter whether a proxy stands between. */
  get host(): string | undefined {
    return this.secure ? this.header('host') : directHost(this)
  }

  /**
   * Saves, and gives the response its cookies. After a failure the response is not to be sent, and its body is gone. It is
   * `undefined` where the connection has become a WebSocket, as with Bun.
   */
  async finish(visit: Visit, response: Response | undefined): Promise<Response | undefined> {
    this.#visit = visit
    // Deno's connection has become a WebSocket, and its server would end over another answer. That of Workers, whose
    // response has the socket, becomes one as it is returned.
    const isSocket = response?.status === 101 && !(response as { webSocket?: unknown }).webSocket
    // What cannot be saved now may be saved from the socket.
    this.headersSent = (isSocket || !response) && visit.held !== null
    try {
      const isToSave = visit.needsCommit && !(response && visit.isFailureAnswered(response.status))
      if (isToSave) {
        await this.visits.commit(visit)
        // Once more, for what changed meanwhile: who fills a streamed body does not wait.
        await this.visits.commit(visit)
      }
      this.headersSent = true
      // What changed during the second one is saved as what changes later.
      if (isToSave) this.mayChange()
      return response && (visit.wasUsed || visit.needsCommit) ? withHead(visit, response) : response
    } catch (error) {
      if (isSocket) {
        reportLateFailure(error)
        return response
      }
      void response?.body?.cancel().catch(() => {})
      throw error
    } finally {
      // Only now: what loading noted of a renewal is written under the token that was brought.
      visit.isConnection = opensSocket(this)
    }
  }

  /** Nothing tells when a streamed body ends, so what changes meanwhile is saved as it changes. */
  mayChange(): void {
    if (!this.headersSent || this.#isSaving) return
    this.#isSaving = true
    const saved = this.#saveLate()
    this.#context?.()?.waitUntil(saved)
  }
  async #saveLate(): Promise<void> {
    // The change itself comes after the notice of it.
    await null
    this.#isSaving = false
    try {
      if (this.#visit) await this.visits.commit(this.#visit)
    } catch (error) {
      reportLateFailure(error)
    }
  }
}

function withHead(visit: Visit, response: Response): Response {
  const { cookie, clearSiteData, sealed, needsCommit } = visit
  // It may be a constant, as an answer without a body often is: nobody else may meet this visitor's cookie in it.
  const isPersonal = cookie !== 'none' || clearSiteData || (sealed && needsCommit)
  const isToStay = isPersonal && response.status >= 200
  const writable = !isToStay && isWritable(response.headers) ? response : copyOf(response)
  if (writable) finishHead(visit, writable.headers)
  return writable ?? response
}

/** The headers of what `fetch` or `Response.redirect` returned cannot be changed: even deleting none throws. */
function isWritable(headers: Headers): boolean {
  try {
    headers.delete('sojourn')
    return true
  } catch {
    return false
  }
}

/** Nothing for an upgrade or a network error, which cannot be copied; no browser would read a cookie there. */
function copyOf(response: Response): Response | undefined {
  if (response.status < 200) return undefined
  const isUntyped = isBun && !response.headers.has('content-type')
  const copy = isUntyped ? cloneOf(response) : new Response(response.body, response)
  // What frameworks hang on it, as TanStack's redirect() does.
  for (const [name, value] of Object.entries(response)) if (!(name in copy)) Object.assign(copy, { [name]: value })
  return copy
}

/** Bun says only as it sends a text that it is one, and forgets it of a body that somebody looked at. */
const isBun = typeof process === 'object' && process.versions?.bun !== undefined

function cloneOf(response: Response): Response {
  const clone = response.clone()
  // Of a stream, this half is read by nobody.
  void response.body?.cancel().catch(() => {})
  return clone
}
