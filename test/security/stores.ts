import type { CookieStore } from '../../src/core/cookie-store.js'
import type { SessionStore } from '../../src/core/store.js'
import { cookieStore } from '../../src/stores/cookie.js'
import { encrypted } from '../../src/stores/encrypted.js'
import { memoryStore } from '../../src/stores/memory.js'
import { sqliteStore } from '../../src/stores/sqlite.js'

export const secrets = ['Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e', 'q8Rz1LxVt6Kp3YwNb5Mc9HsJd2FgTaEu']

/** A store to make fail, whose errors tell whatever it was given, as those of database clients do. */
export interface BreakableStore {
  readonly store: SessionStore | CookieStore
  /** The store on the server, if there is one. */
  readonly server: SessionStore | null
  isBroken: boolean
  /** The header that brings the token, where no cookie does. */
  header?: string
}

type Method = (...given: unknown[]) => unknown

function breakable(server: SessionStore, wrap: (store: SessionStore) => SessionStore | CookieStore): BreakableStore {
  const broken = Object.entries(server).map(([name, method]) => [
    name,
    (...given: unknown[]) => {
      if (!made.isBroken || name === 'close') return (method as Method).apply(server, given)
      const parameters = JSON.stringify(given)
      throw Object.assign(new Error(`the disk is full: ${name} ${parameters}`), { parameters: given })
    },
  ])
  const made: BreakableStore = {
    store: wrap(Object.fromEntries(broken) as unknown as SessionStore),
    server,
    isBroken: false,
  }
  return made
}

/** Every kind of store that needs no server. */
export const stores: { readonly [kind: string]: () => BreakableStore } = {
  memory: () => breakable(memoryStore(), (store) => store),
  SQLite: () => breakable(sqliteStore(':memory:'), (store) => store),
  'memory, the token in a header': () =>
    Object.assign(
      breakable(memoryStore(), (store) => store),
      { header: 'x-session' },
    ),
  encrypted: () => breakable(memoryStore(), (store) => encrypted(store, { secrets })),
  'a cookie with revocation': () => breakable(memoryStore(), (store) => cookieStore({ secrets, revocation: store })),
  'a cookie alone': () => ({ store: cookieStore({ secrets }), server: null, isBroken: false }),
}
