import { clientName, clientText } from './client.js'
import type { Intentions } from './intentions.js'
import { expiryOf, seenName } from './lifetime.js'
import { signInName } from './sign-in.js'
import type { SessionPatch } from './store.js'
import { digestText, mintNonce, mintSecret, type Renewal, renewalName, successorOf, tokenName } from './token.js'
import type { ValueChanges } from './values.js'
import type { Held, Visit } from './visit.js'

/** What one write of a visit changes in the session that it holds. */
export function patchOf(
  visit: Visit,
  held: Held,
  changes: ValueChanges,
  { tokenChange, ownValues, touch }: Intentions,
  secret: NewSecret | null,
  now: number,
): SessionPatch {
  const set: Record<string, string> = { ...changes.set, ...ownValues }
  const unset = [...changes.unset]
  if (secret !== null) {
    set[tokenName] = digestText(secret.text)
    if (secret.renewal) set[renewalName] = JSON.stringify(secret.renewal)
  }
  if (tokenChange === 'sign-in') Object.assign(set, signInValues(visit))
  if ((tokenChange === 'sign-in' || tokenChange === 'renew') && Object.hasOwn(held.record.values, renewalName)) {
    unset.push(renewalName)
    delete set[renewalName]
  }
  const patch: SessionPatch = { now, when: visit.when }
  if (Object.keys(set).length > 0) patch.set = set
  if (unset.length > 0) patch.unset = unset
  if (visit.userId !== held.record.userId) patch.userId = visit.userId
  if (touch || tokenChange === 'sign-in' || visit.touchIsDue(now)) addUse(patch, visit)
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
  /** Of a scheduled renewal: what it takes to repeat it. */
  readonly renewal?: Renewal
}

/** The secret that the client is to be given, if any. */
export function newSecret(visit: Visit, held: Held, { tokenChange }: Intentions, now: number): NewSecret | null {
  if (tokenChange === 'none') return null
  if (tokenChange !== 'scheduled') return { text: mintSecret() }
  const previous = held.record.values[tokenName]
  if (!visit.token || previous === undefined) return null
  const nonce = mintNonce()
  return { text: successorOf(visit.token.secret, nonce), renewal: { previous, nonce, at: now, seenAt: null } }
}
