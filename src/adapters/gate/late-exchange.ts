import type { Visit } from '../../core/visit.js'
import { Exchange } from './exchange.js'
import type { GateExpected, InheritedHooks } from './hooks.js'
import { expectGate, inheritedHooks } from './inherited-hooks.js'

/** An exchange whose gate can wait until somebody asks for the session, if the response has inherited its hooks. */
export class LateExchange extends Exchange implements GateExpected {
  readonly isExpected = true
  override readonly inherited: InheritedHooks = inheritedHooks

  /** Begins, but without what nobody may need: a gate; and the visit of a request that brings nothing, which is `null`. */
  beginWhenAsked(visit: Visit | null): void {
    const mayWait = expectGate(this.response, this) && !visit?.needsCommit && !visit?.sealed
    if (!mayWait) this.begin(visit ?? this.visits.openEmpty(this))
    else if (visit) this.visit = visit
  }
}
