/**
 * Step 5: a store.
 *
 * Sessions move into a file, and nobody is signed out by a restart. For several machines give `createSessions` another store,
 * such as `sojourn/stores/redis` or `sojourn/stores/postgres`; nothing else changes. The counter becomes exact: two requests
 * at once can no longer both read 4 and both write 5.
 */
import { fileURLToPath } from 'node:url'
import cors from 'cors'
import express from 'express'
import { createSessions } from 'sojourn'
import { requireUser, session } from 'sojourn/express'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { isPasswordOf } from '../stage/users.js'

const origins = ['http://localhost:4736']
const file = process.env.SESSION_FILE || fileURLToPath(new URL('sessions.db', import.meta.url))
const sessions = createSessions({
  store: sqliteStore(file),
  cookie: { name: 'steps' },
  crossOrigin: { trusted: origins },
})

const app = express()
app.use(cors({ origin: origins, credentials: true }))
app.use(session(sessions))
app.use(express.json())

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

const port = Number(process.env.PORT || 3000)
app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`Step 5: http://localhost:${port}`)
})
