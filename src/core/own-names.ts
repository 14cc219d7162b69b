import { objectIn } from './json-keys.js'
import { type SessionRecord, textOf } from './store.js'

/** Begins the names under which a bridge keeps values of the app whose own names no store takes. */
export const oddNamePrefix = '__named_'

/** Whether a value of a record is the engine's own, or a bridge's, and not the app's. */
export function isOwnName(name: string): boolean {
  return name.startsWith('__') && !name.startsWith(oddNamePrefix)
}

/** What a record keeps under a name of the engine's; empty where there is nothing, or where it cannot be read. */
export function noteIn(values: Readonly<SessionRecord['values']>, name: string): { readonly [key: string]: unknown } {
  const text = textOf(values, name)
  return text === null ? {} : objectIn(text)
}
