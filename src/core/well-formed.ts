import { SojournError } from './errors.js'
import type { SessionPatch, SessionRecord } from './store.js'

/**
 * Refuses text with a lone surrogate, as `invalid_value`, before a client that speaks UTF-8 replaces it without a word,
 * and values that are no text, which may come of another store's record that somebody else wrote. For a store to call on
 * what it is about to write.
 */
export function refuseIllFormed(change: Partial<SessionRecord & SessionPatch>): void {
  if (change.userId?.isWellFormed() === false) refuse('A user id')
  for (const name of change.unset ?? []) if (!name.isWellFormed()) refuse('The name of a session value')
  refuseIllFormedTexts(change.values)
  refuseIllFormedTexts(change.set)
  refuseIllFormedTexts(change.when, '')
}

/** `absent`: what counts for null. */
function refuseIllFormedTexts(texts: Readonly<Record<string, string | null>> | undefined, absent?: ''): void {
  if (!texts) return
  for (const name of Object.keys(texts)) {
    if (!name.isWellFormed()) refuse('The name of a session value')
    // What somebody else wrote may be a number, which has no such method, or null.
    if (!(texts[name] ?? absent)?.isWellFormed?.()) refuse(`The session value ${JSON.stringify(name)}`)
  }
}

function refuse(what: string): never {
  throw new SojournError('invalid_value', `${what} must be text without lone surrogates`)
}
