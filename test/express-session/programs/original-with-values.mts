// `express-session` itself over a store of Sojourn, where the app says to its types what sessions hold.
import original from 'express-session'
import session, { toConnectStore } from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'

declare module 'express-session' {
  interface SessionData {
    views: number
  }
}

const store = toConnectStore(memoryStore())
original({ secret: 'x', store })
session({ secret: 'x', store })
store.load('id', (_error, found) => found?.cookie.maxAge)
