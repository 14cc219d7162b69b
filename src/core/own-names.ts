/** Begins the names under which a bridge keeps values of the app whose own names no store takes. */
export const oddNamePrefix = '__named_'

/** Whether a value of a record is the engine's own, or a bridge's, and not the app's. */
export function isOwnName(name: string): boolean {
  return name.startsWith('__') && !name.startsWith(oddNamePrefix)
}
