/** Sessions on Express 5, in the process itself. The routes are the same for all; only what stands before them differs. */
import type { Server } from 'node:http'
import { join } from 'node:path'
import express, { type Request, type RequestHandler } from 'express'
import expressSession from 'express-session'
import { session } from 'sojourn/express'
import dropIn from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'
import type { Surroundings } from '../serve.ts'
import { type Access, newVisitor, type Visitor } from '../visitor.ts'
import { byHand, sqliteShelf } from './by-hand.ts'

/** Middleware, and how a handler reaches the visitor behind it. */
interface Sessions extends Access<Request, express.Response> {
  middleware?: RequestHandler
}

export function serve({ middleware, of, save }: Sessions): Server {
  const app = express()
  if (middleware) app.use(middleware)
  app.get('/hello', (_request, response) => void response.send('hello'))
  app.get('/views', (request, response) => void response.send(`${of(request).views}`))
  app.get('/name', (request, response) => void response.send(`${of(request).profile?.name}`))
  app.post('/views', async (request, response) => {
    const visitor = of(request)
    visitor.views = (visitor.views ?? 0) + 1
    if (save) await save(request, response)
    response.send(`${visitor.views}`)
  })
  app.post('/start', async (request, response) => {
    Object.assign(of(request), newVisitor())
    if (save) await save(request, response)
    response.send('started')
  })
  return app.listen(0, '127.0.0.1')
}

/** The visitor in `req.session`, wherever it comes from. */
export const inSession = { of: (request: Request) => request.session as Visitor }

/** Without sessions, the routes answer from one visitor that is always there. */
export function bare(): Server {
  const visitor = newVisitor()
  return serve({ of: () => visitor })
}

export function byHandOnMap(): Server {
  return serve(byHand(new Map<string, string>()))
}
export function byHandOnSqlite({ folder }: Surroundings): Server {
  return serve(byHand(sqliteShelf(join(folder, 'by-hand.db'))))
}

/** What the README of `express-session` recommends: save only what changed, and only sessions with values; a name of one's own. */
export const recommended = {
  secret: 'a secret for the bench',
  name: 'sid',
  resave: false,
  saveUninitialized: false,
}

export function expressSessionInMemory(): Server {
  return serve({
    ...inSession,
    middleware: expressSession({ ...recommended, store: new expressSession.MemoryStore() }),
  })
}
/** The same program with another import, also on the store of `express-session`. */
export function dropInInMemory(): Server {
  const store = new expressSession.MemoryStore()
  return serve({ ...inSession, middleware: dropIn({ ...recommended, store }) })
}

export function sojournInMemory(): Server {
  return serve({ ...inSession, middleware: session({ store: memoryStore() }) })
}
export function sojournOnSqlite({ folder }: Surroundings): Server {
  return serve({ ...inSession, middleware: session({ store: sqliteStore(join(folder, 'sessions.db')) }) })
}
