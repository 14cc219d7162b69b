import { clientName, clientText } from './client.js'
import type { Intentions } from './intentions.js'
import { expiryOf, seenName } from './lifetime.js'
import { randomText } from './random.js'
import { signInName } from './sign-in.js'
import type { SessionPatch } from './store.js'
import {
  digestText,
  isReplacementOver,
  mintSecret,
  type Renewal,
  type Replacement,
  renewalName,
  replacementOf,
  successorOf,
  tokenName,
} from './token.js'
import type { ValueChanges } from './values.js'
import type { Held, Visit } from './visit.js'

/** What one write of a visit changes in the session that it holds; `null` where that is nothing. */
export function patchOf(
  visit: Visit,
  held: Held,
  changes: ValueChanges,
  { tokenChange, ownValues, touch }: Intentions,
  secret: NewSecret | null,
  now: number,
): SessionPatch | null {
  const set: Record<string, string> = { ...changes.set, ...ownValues }
  const { unset } = changes
  if (secret !== null) {
    set[tokenName] = digestText(secret.text)
    set[renewalName] = JSON.stringify(secret.replacement)
  }
  if (tokenChange === 'sign-in') Object.assign(set, signInValues(visit))
  const patch: SessionPatch = { now, when: visit.when }
  if (Object.keys(set).length > 0) patch.set = set
  if (unset.length > 0) patch.unset = [...unset]
  if (visit.userId !== held.record.userId) patch.userId = visit.userId
  if (touch || tokenChange === 'sign-in' || visit.touchIsDue(now)) addUse(patch, visit)
  if (!patch.set && !patch.unset && patch.expiresAt === undefined) return null
  // In passing: it is worth no write of its own. A connection is bound to its sign-in alone, and may not know of a renewal since.
  if (secret === null && !visit.isConnection && isReplacementOver(held.record, now)) {
    patch.unset = [...unset, renewalName]
  }
  return patch
}

/** Has a patch tell that the session is used. */
export function addUse(patch: SessionPatch, { limits, start }: Visit): void {
  patch.expiresAt = expiryOf(limits, start, patch.now)
  if (patch.expiresAt < patch.now + limits.idle) patch.set = { ...patch.set, [seenName]: `${patch.now}` }
}

/** What a record keeps of a sign-in: when and how, and what it came from. */
export function signInValues({ signedIn, request, engine }: Visit): Record<string, string> {
  const client = clientText(request, engine.settings.client)
  return { [signInName]: JSON.stringify(signedIn), ...(client !== undefined && { [clientName]: client }) }
}

/** A secret that the client is to be given. */
export interface NewSecret {
  readonly text: string
  /** Which it takes the place of; and of a scheduled renewal, what it takes to repeat it. */
  readonly replacement: Replacement | Renewal
}

/** The secret that the client is to be given, if any. */
export function newSecret(visit: Visit, held: Held, { tokenChange }: Intentions, now: number): NewSecret | null {
  if (tokenChange === 'none') return null
  const previous = held.record.values[tokenName] ?? ''
  if (tokenChange !== 'scheduled') {
    const before = replacementOf(held.record)?.previous
    return { text: mintSecret(), replacement: { previous, at: now, before } }
  }
  if (!visit.token || !previous) return null
  const nonce = randomText(16)
  return { text: successorOf(visit.token.secret, nonce), replacement: { previous, nonce, at: now, seenAt: null } }
}
