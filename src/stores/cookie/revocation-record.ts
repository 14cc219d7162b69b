import { isOwnName } from '../../core/own-names.js'
import type { SessionPatch } from '../../core/store.js'

/** The engine's own values, which a revocation record keeps. */
export function onlyOwn<T>(values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => isOwnName(name)))
}

/** The values of the app, which it does not. */
export function withoutOwn<T>(values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isOwnName(name)))
}

/** What of a patch concerns the revocation record. */
export function keptPart({
  set = {},
  unset = [],
  when = {},
  ...rest
}: SessionPatch): Required<Pick<SessionPatch, 'set' | 'unset' | 'when'>> & SessionPatch {
  return { ...rest, set: onlyOwn(set), unset: unset.filter(isOwnName), when: onlyOwn(when) }
}
