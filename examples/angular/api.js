import { fileURLToPath } from 'node:url'
import cors from 'cors'
import express from 'express'
import helmet from 'helmet'
import { createSessions } from 'sojourn'
import { requireUser, session } from 'sojourn/express'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { isPasswordOf } from '../stage/users.js'

const file = process.env.SESSION_FILE || fileURLToPath(new URL('sessions.db', import.meta.url))

/** The API for the pages of some origins. */
export function createApi({ allowedOrigins }) {
  const sessions = createSessions({
    store: sqliteStore(file),
    // Cookies ignore ports: an app on another port of localhost would find ours under the usual name.
    cookie: { name: 'angular' },
    lifetime: { idle: '30m', absolute: '12h' },
    // The pages that may change something. CORS says who may read an answer, which comes too late.
    crossOrigin: { trusted: allowedOrigins },
    noStore: true,
  })

  const api = express()
  api.disable('x-powered-by')
  api.use(helmet())
  // By name, never `*`. Before the session, so that errors can be read as well.
  api.use(cors({ origin: allowedOrigins, credentials: true, maxAge: 600 }))
  api.use(session(sessions))
  api.use(express.json({ limit: '10kb' }))

  // What the page asks to know how things stand; no activity.
  api.get('/api/session', (req, res) => {
    res.json(sessions.status(req.session))
  })

  api.get('/api/me', requireUser(), (req, res) => {
    res.json({ userId: req.session.userId })
  })

  api.post('/api/views', async (req, res) => {
    res.json({ views: await req.session.update('views', (views = 0) => views + 1) })
  })

  api.get('/api/orders', requireUser(), (req, res) => {
    res.json({ orders: [`The first order of ${req.session.userId}`] })
  })

  api.post('/api/login', async (req, res) => {
    const { username, password } = req.body ?? {}
    if (await isPasswordOf(username, password)) {
      req.session.signIn(username, { method: 'password' })
      res.json({ userId: username })
    } else {
      res.status(401).json({ error: 'Invalid username or password' })
    }
  })

  api.post('/api/logout', (req, res) => {
    req.session.signOut()
    res.json({ userId: null })
  })

  api.use((_req, res) => res.status(404).json({ error: 'Not found' }))
  api.use((error, _req, res, next) => {
    const status = error.status ?? 500
    if (status >= 500) console.error(error)
    if (res.headersSent) next(error)
    else res.status(status).json({ error: status >= 500 ? 'Something went wrong' : error.message })
  })
  return { api, sessions }
}
