/**
 * Step 4: login.
 *
 * Adds who the visitor is. `signIn` gives the browser a new token, so that one which somebody planted before is worth nothing;
 * `requireUser` answers 401 to a script of a stranger; `signOut` ends the session here, not only in the browser. CORS decides
 * who may read an answer, not who may post: `crossOrigin` refuses what pages of other origins send. A page that asks `status`
 * how things stand keeps no session alive by asking.
 */
import cors from 'cors'
import express from 'express'
import { createSessions } from 'sojourn'
import { requireUser, session } from 'sojourn/express'
import { isPasswordOf } from '../stage/users.js'

const origins = ['http://localhost:4736']
const sessions = createSessions({ cookie: { name: 'steps' }, crossOrigin: { trusted: origins } })

const app = express()
app.use(cors({ origin: origins, credentials: true }))
app.use(session(sessions))
app.use(express.json())

app.post('/api/views', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ views: req.session.views })
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
  console.log(`Step 4: http://localhost:${port}`)
})
