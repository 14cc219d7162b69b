import type { Visits } from '../../core/sessions.js'
import type { Visit } from '../../core/visit.js'
import { Exchange, type NodeRequest } from './exchange.js'
import type { NodeResponse } from './head.js'
import type { GateExpected, InheritedHooks } from './hooks.js'
import { expectGate, inheritedHooks } from './inherited-hooks.js'

/** For whoever answers errors. Milliseconds. */
const patience = 5000

/** Where `next` settles a promise, as with Next.js and h3, nobody hears of an error that comes after its first call. */
function giveUpLater(response: NodeResponse, error: unknown): void {
  const giveUp = () => {
    if (response.headersSent || response.destroyed) return
    // Whoever answers it may wait for the end of the request first, as Connect does.
    if (!response.req.complete && response.req.readableFlowing) return giveUpLater(response, error)
    console.error(error)
    // Not answered: whoever did it after all would throw, where nobody catches it.
    response.destroy()
  }
  setTimeout(giveUp, patience).unref()
}

type Next = (error: unknown) => void

/** An exchange of Express, whose gate can wait until somebody asks for the session, if the response has inherited its hooks. */
export class LateExchange extends Exchange implements GateExpected {
  readonly isExpected = true
  override readonly inherited: InheritedHooks = inheritedHooks

  constructor(request: NodeRequest & { next?: Next }, response: NodeResponse, visits: Visits, next: Next) {
    super(request, response, visits, (error) => {
      // That of @fastify/express, by which the head has left already, sends once. Express's own is below it.
      if (response.headersSent) delete (response as { send?: unknown }).send
      // The router that has the request by then undoes what it did to it, as it passes the error on. Connect tells of none.
      const pass = request.next ?? next
      pass(error)
      if (!request.next) giveUpLater(response, error)
    })
  }

  /** Begins, but without what nobody may need: a gate; and the visit of a request that brings nothing, which is `null`. */
  beginWhenAsked(visit: Visit | null): void {
    const mayWait = expectGate(this.response, this) && !visit?.needsCommit && !visit?.sealed
    if (!mayWait) this.begin(visit ?? this.visits.openEmpty(this))
    else if (visit) this.visit = visit
  }
}
