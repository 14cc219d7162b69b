/**
 * Step 6: production.
 *
 * What is local becomes a setting, limits are chosen, headers are set, errors are JSON without details, a load balancer can
 * ask for health at no cost, and a stop gives requests ten seconds to end.
 */
import { fileURLToPath } from 'node:url'
import cors from 'cors'
import express from 'express'
import helmet from 'helmet'
import { createSessions } from 'sojourn'
import { requireUser, session } from 'sojourn/express'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { isPasswordOf } from '../stage/users.js'

const origins = (process.env.ORIGINS || 'http://localhost:4736').split(',')
const file = process.env.SESSION_FILE || fileURLToPath(new URL('sessions.db', import.meta.url))
const sessions = createSessions({
  store: sqliteStore(file),
  // An API on a subdomain of its own needs no more than this. One on another site altogether needs `sameSite: 'none'`.
  cookie: { name: 'steps' },
  lifetime: { idle: '2h', absolute: '14d' },
  crossOrigin: { trusted: origins },
  noStore: true,
})
sessions.on('outage', ({ operation, error }) => console.error(`The session store failed to ${operation}:`, error))

const app = express()
// Whose word counts for how a visitor is connected: the proxy's that ends TLS, on this machine.
app.set('trust proxy', 'loopback')
app.use('/health', (_req, res) => res.json({ ok: true }))
app.use(helmet())
app.use(cors({ origin: origins, credentials: true, maxAge: 600 }))
app.use(session(sessions))
app.use(express.json({ limit: '10kb' }))

app.post('/api/views', async (req, res) => {
  res.json({ views: await req.session.update('views', (views = 0) => views + 1) })
})

app.get('/api/session', (req, res) => {
  res.json(sessions.status(req.session))
})

app.get('/api/me', (req, res) => {
  res.json({ userId: req.session.userId })
})

app.post('/api/login', async (req, res) => {
  const { username, password } = req.body ?? {}
  if (await isPasswordOf(username, password)) {
    req.session.signIn(username)
    res.json({ userId: username })
  } else {
    res.status(401).json({ error: 'Invalid username or password' })
  }
})

app.post('/api/logout', (req, res) => {
  req.session.signOut()
  res.json({ userId: null })
})

app.get('/api/orders', requireUser(), (req, res) => {
  res.json({ orders: [`The first order of ${req.session.userId}`] })
})

app.use((_req, res) => res.status(404).json({ error: 'Not found' }))
app.use((error, _req, res, next) => {
  const status = error.status ?? 500
  if (status >= 500) console.error(error)
  if (res.headersSent) next(error)
  else res.status(status).json({ error: status >= 500 ? 'Something went wrong' : error.message })
})

const port = Number(process.env.PORT || 3000)
const server = app.listen(port, process.env.HOST || '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`Step 6: http://localhost:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => sessions.close())
    setTimeout(() => server.closeAllConnections(), 10_000).unref()
  })
}
