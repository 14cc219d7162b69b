// Compiled by package.test.ts, not run: the same of a library in CommonJS.
import onExpress = require('sojourn/express')
import expressSession = require('sojourn/express-session')
import memory = require('sojourn/stores/memory')

const { Cookie, MemoryStore, Session, Store } = expressSession
const connectStore = expressSession.toConnectStore(memory.memoryStore())
const dropIn = expressSession({ secret: 'keyboard cat', resave: false, saveUninitialized: false })
const engine = onExpress.session({ store: memory.memoryStore() })

export = { Cookie, MemoryStore, Session, Store, connectStore, dropIn, engine, expressSession }
