import type { SessionStore } from './store.js'

/** Other copies of Sojourn know it too, and a decorator that spreads the store hands it on. */
const migrates = Symbol.for('sojourn.migrates')

/** Marks a store between whose two parts sessions move, or what was put around it. */
export function markAsMigrating(store: SessionStore): SessionStore {
  return Object.assign(store, { [migrates]: true })
}

export function isMigrating(store: SessionStore): boolean {
  return migrates in store
}
