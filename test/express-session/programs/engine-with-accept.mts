/** An app on the engine, which still takes visitors over: of what both have, the engine's counts. */
import express from 'express'
import { createSessions } from 'sojourn'
import { session } from 'sojourn/express'
import { expressSessionCookie } from 'sojourn/express-session'

declare module 'sojourn' {
  interface SessionData {
    views?: number
  }
}

const accept = expressSessionCookie({ secret: 'the secret until now', store: { get() {}, set() {}, destroy() {} } })
const app = express()
app.use(session(createSessions({ accept })))
app.get('/', async (req, res) => {
  const isStored: boolean = await req.session.save()
  const views: number | undefined = await req.session.update('views', (views = 0) => views + 1)
  req.session.signIn('ada')
  res.json({ isStored, views, lifetime: req.session.cookie.maxAge })
})
