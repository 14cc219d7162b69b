import type { SessionPatch } from '../../core/store.js'

function isOwn(name: string): boolean {
  return name.startsWith('__')
}

/** The engine's own values, which a revocation record keeps. */
export function onlyOwn<T>(values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => isOwn(name)))
}

/** The values of the app, which it does not. */
export function withoutOwn<T>(values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isOwn(name)))
}

/** What of a patch concerns the revocation record; `null` for nothing. */
export function keptPart({
  now,
  set = {},
  unset = [],
  when = {},
  userId,
  expiresAt,
}: SessionPatch): SessionPatch | null {
  const part: SessionPatch = { now, set: onlyOwn(set), unset: unset.filter(isOwn) }
  if (
    userId === undefined &&
    expiresAt === undefined &&
    part.unset?.length === 0 &&
    !Object.keys(part.set ?? {}).length
  ) {
    return null
  }
  part.when = onlyOwn(when)
  if (userId !== undefined) part.userId = userId
  if (expiresAt !== undefined) part.expiresAt = expiresAt
  return part
}
