// The stores of others, whose typings know those of express-session.
import MongoStore from 'connect-mongo'
import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import original from 'express-session'
import session, { expressSessionCookie, fromConnectStore, toConnectStore } from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'

const PgStore = connectPgSimple(session)
const redis = new RedisStore({ client: {} })
session({ secret: 'x', store: new PgStore({}) })
session({ secret: 'x', store: redis })
session({ secret: 'x', store: MongoStore.create({ mongoUrl: 'mongodb://localhost' }) })
fromConnectStore(redis)
original({ secret: 'x', store: toConnectStore(memoryStore()) })
expressSessionCookie({ secret: 'x', store: new PgStore({}), userId: (session) => session.user as string })

export function mount(store: original.Store, options: original.SessionOptions) {
  return [session({ secret: 'x', store }), session(options)]
}
