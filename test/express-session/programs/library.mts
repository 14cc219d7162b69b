/** Uses what a library adds to the sessions of express-session, as csrf-sync does. */
import express from 'express'
import session from 'sojourn/express-session'

declare module 'express-session' {
  interface SessionData {
    csrfToken?: string
  }
}

const app = express()
app.use(session({ secret: 'a secret of the app, thirty-two letters' }))
app.get('/', (req, res) => {
  const token: string | undefined = req.session.csrfToken
  res.send(token)
})
